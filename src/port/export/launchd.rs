//! A property list of launchd, the service manager of macOS.

use super::Plan;

pub(super) fn list(plan: &Plan) -> String {
    let words: Vec<String> =
        plan.command(&[]).iter().map(|word| format!("    <string>{}</string>\n", escaped(word))).collect();
    let user = plan.user.as_ref().map(|user| format!("  <key>UserName</key>\n  <string>{}</string>\n", escaped(user)));
    let head = plan.head("launchd", " ");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<!--
{head}-->
<plist version=\"1.0\">
<dict>
  <key>Label</key>
  <string>queue-work</string>
  <key>ProgramArguments</key>
  <array>
{words}  </array>
  <key>WorkingDirectory</key>
  <string>{folder}</string>
{user}  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ExitTimeOut</key>
  <integer>{stop}</integer>
</dict>
</plist>
",
        // `--` would end the remark.
        head = head.replace("--", "- -"),
        words = words.concat(),
        folder = escaped(&plan.folder),
        user = user.unwrap_or_default(),
        stop = plan.stop_s(),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
