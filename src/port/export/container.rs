//! A Dockerfile, and a compose.yaml beside it. The folder of the configuration becomes /srv/app.

use std::path::Path;

use super::{Plan, STATE};

/// Where the folder is in the image.
const APP: &str = "/srv/app";
const PROGRAM: &str = "/usr/local/bin/queue-work";

pub(super) fn dockerfile(plan: &Plan) -> String {
    let config = plan.config.as_deref().map(|config| in_image(plan, config));
    let words = |more: &[&str]| {
        let config = config.as_deref().map(|config| ["--config", config]);
        let all: Vec<&str> =
            [PROGRAM].into_iter().chain(config.into_iter().flatten()).chain(more.iter().copied()).collect();
        serde_json::to_string(&all).unwrap_or_default()
    };
    let outside = config.as_deref().filter(|config| !config.starts_with(APP));
    let copy = outside
        .map(|config| format!("# Copy the configuration into the folder first.\nCOPY queue-work.toml {config}\n"));
    let user =
        plan.user.as_deref().map(|user| format!("RUN useradd --system {user} && chown {user} {STATE}\nUSER {user}\n"));
    format!(
        "{head}# Build it in the folder of the application, with the program `queue-work` in it: docker build -t app .
FROM debian:13-slim
COPY --chmod=755 queue-work {PROGRAM}
COPY . {APP}
{copy}WORKDIR {APP}
RUN mkdir -p {STATE}
{user}VOLUME {STATE}
ENV {environment}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD {health}
ENTRYPOINT {start}
# A stop takes up to {stop} s: docker run --init --stop-timeout {stop}
",
        head = plan.head("docker", "#"),
        copy = copy.unwrap_or_default(),
        user = user.unwrap_or_default(),
        // The variable goes over the configuration, which names the server.
        environment = if plan.is_on_server {
            "XDG_STATE_HOME=/var/lib".to_owned()
        } else {
            format!("QUEUE_WORK_DATABASE={STATE}/queue-work.db")
        },
        health = words(&["health"]),
        start = words(&[]),
        stop = plan.stop_s(),
    )
}

/// The path in the image of a file in the folder; of another one, where the system has it.
fn in_image(plan: &Plan, file: &str) -> String {
    let below = Path::new(file).strip_prefix(&plan.folder).ok().filter(|_| plan.folder != "/");
    below.map_or_else(|| "/etc/queue-work/queue-work.toml".to_owned(), |below| format!("{APP}/{}", below.display()))
}

pub(super) fn compose(plan: &Plan) -> String {
    let variables: Vec<String> = plan.variables.iter().map(|name| format!("      - {name}\n")).collect();
    let environment = if variables.is_empty() { "" } else { "    environment:\n" };
    format!(
        "{head}# Beside the Dockerfile of `queue-work export docker`.
services:
  queue-work:
    build: .
    # Reaps processes that jobs leave behind.
    init: true
    restart: unless-stopped
{host}    stop_grace_period: {stop}s
{environment}{variables}    volumes:
      - queue-work:{STATE}
volumes:
  queue-work:
",
        head = plan.head("compose", "#"),
        variables = variables.concat(),
        // The name that `status` shows.
        host = if plan.is_on_server { "    hostname: queue-work\n" } else { "" },
        stop = plan.stop_s(),
    )
}
