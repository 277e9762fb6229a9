// The browser, and everything in it that must not happen: what was logged as an error, refused by the policy of the page,
// asked in a dialog, or fetched from elsewhere.
import { chromium } from "playwright-core";
import { DEADLINE } from "./bench.mjs";

/** One for all tests. `evil.test` is a name of others that leads to this machine. */
export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--host-resolver-rules=MAP evil.test 127.0.0.1"],
  chromiumSandbox: process.getuid() !== 0,
});

export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** A tab of somebody who has opened the link that is printed for this role; credentials of a context would keep it from caching. */
export async function open(web, { role = "admin", ...options } = {}) {
  const context = await browser.newContext({ baseURL: web.origin, ...options });
  context.setDefaultTimeout(DEADLINE);
  const tab = await context.newPage();
  await tab.goto(`http://qw:${web.tokens[role]}@127.0.0.1:${web.port}/login`);
  const wrong = [];
  // A document may be refused with a page that says why: that is looked at by who asks for it.
  // For text the browser asks for an icon that nobody has named.
  const documents = new Set();
  tab.on("request", (request) => { if (request.isNavigationRequest()) documents.add(request.url()); });
  tab.on("console", (said) => {
    const { url } = said.location();
    const isRefused = (documents.has(url) || url.endsWith("/favicon.ico")) && / status of [45]\d\d /.test(said.text());
    if (["error", "warning"].includes(said.type()) && !isRefused) wrong.push(`console: ${said.text()}`);
  });
  tab.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  tab.on("dialog", (dialog) => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  tab.on("popup", (popup) => wrong.push(`popup: ${popup.url()}`));
  tab.on("download", (download) => wrong.push(`download: ${download.url()}`));
  tab.on("request", (request) => { if (!request.url().startsWith(`${web.origin}/`)) wrong.push(`request: ${request.url()}`); });
  /** What went wrong since it was asked. */
  tab.wrong = () => wrong.splice(0);
  return tab;
}
