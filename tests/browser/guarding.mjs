// Who is kept out by a real browser and the page together: names that others have bound to this machine, and their pages.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { Bench, test, waitFor } from "./bench.mjs";
import { open } from "./browser.mjs";

/** A queue, its page, and a site of somebody else with this document. */
async function begin(t, html = () => "") {
  const bench = new Bench();
  t.after(() => bench.end());
  bench.push("t");
  await bench.start();
  const web = await bench.web();
  const site = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(html(web)));
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  t.after(() => site.close());
  const tab = await open(web);
  t.after(() => tab.context().close());
  const isPaused = () => bench.json(["status"]).queues[0].paused;
  return { bench, web, tab, isPaused, evil: `http://evil.test:${site.address().port}/` };
}

test("the link that is printed logs in, and leaves no token in the address", async (t) => {
  const { bench, web } = await begin(t);
  const tab = await open(web, { role: "operator" });
  t.after(() => tab.context().close());
  assert.equal(tab.url(), `${web.origin}/`);
  assert.equal(await tab.evaluate(() => fetch("/api/queues").then((answer) => answer.status)), 200);
  bench.run(["pause", "default"]);
  await tab.locator("#queues .warn", { hasText: "paused" }).waitFor();
});

test("a name of others that leads here is not answered", async (t) => {
  const { web, tab } = await begin(t);
  const answer = await tab.goto(`http://evil.test:${web.port}/`);
  assert.equal(answer.status(), 421);
  assert.match(await tab.textContent("body"), /has another name/);
});

test("a page of another site can neither change nor read anything", async (t) => {
  const { web, tab, isPaused, evil } = await begin(t, ({ origin }) => `<form id=f method=post action="${origin}/queues/default/pause"><button>win</button></form>
    <img src="${origin}/"><iframe src="${origin}/"></iframe><script src="${origin}/api/queues"></script>`);
  await tab.goto("/");
  await tab.goto(evil);
  const read = await tab.evaluate((url) => fetch(url, { credentials: "include" }).then(() => "read", () => "refused"), `${web.origin}/api/queues`);
  assert.equal(read, "refused");
  const sent = tab.waitForResponse((answer) => answer.url().endsWith("/pause"));
  await tab.click("button");
  assert.equal((await sent).status(), 403);
  assert.equal(isPaused(), false);
  // What was refused was the other site: the same form of the page itself is taken.
  await tab.goto("/queues");
  await tab.getByRole("button", { name: "Pause" }).click();
  await waitFor("the queue to be paused", isPaused);
});
