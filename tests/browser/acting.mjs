// What somebody does by the page: with keys, with forms that need no JavaScript, and while the master goes and comes back.
import assert from "node:assert/strict";
import { test, waitFor } from "./bench.mjs";
import { PHONE, open } from "./browser.mjs";
import { ACTIONS, addresses, ordinary } from "./stores.mjs";

/** A store with what is ordinary, its page, and a tab. */
async function begin(t, options) {
  const store = await ordinary();
  t.after(() => store.bench.end());
  const web = await store.bench.web();
  const tab = await open(web, options);
  t.after(() => tab.context().close());
  return { ...store, web, tab, path: () => new URL(tab.url()).pathname };
}

test("keys lead to pages, fields and rows, and show what they do", async (t) => {
  const { tab } = await begin(t);
  await tab.goto("/");
  await tab.keyboard.press("g");
  await tab.keyboard.press("j");
  await tab.waitForURL("**/jobs");
  await tab.keyboard.press("/");
  await tab.keyboard.type("g j?");
  assert.equal(await tab.evaluate(() => document.activeElement.value), "g j?");
  await tab.goto("/jobs");
  const row = () => tab.evaluate(() => document.activeElement.closest("tbody tr")?.rowIndex ?? 0);
  for (const [key, at] of [["j", 1], ["j", 2], ["j", 3], ["k", 2]]) {
    await tab.keyboard.press(key);
    assert.equal(await row(), at, `after ${key}`);
  }
  await tab.keyboard.press("Enter");
  await tab.waitForURL(/\/jobs\/\d+$/);
  const keys = tab.locator("dialog#keys");
  await tab.keyboard.press("?");
  assert.match(await keys.innerText(), /Enter opens one/);
  await tab.keyboard.press("?");
  assert.ok(!(await keys.isVisible()));
  await tab.keyboard.press("?");
  await tab.keyboard.press("Escape");
  assert.ok(!(await keys.isVisible()));
  assert.equal(await tab.evaluate(() => { document.querySelector("a.skip").focus(); return document.activeElement.innerText; }), "Skip to content");
  assert.deepEqual(tab.wrong(), []);
});

test("every action has a form that needs no JavaScript, and does what it says", async (t) => {
  const { bench, tab, path, jobs, ...store } = await begin(t, { javaScriptEnabled: false, ...PHONE });
  const [dead, , runs, later, waits] = jobs;
  const forms = new Set();
  const collect = async () => {
    for (const form of await tab.locator("form[method=post]").all()) forms.add(new URL(await form.getAttribute("action"), tab.url()).pathname);
  };
  for (const address of addresses({ ...store, jobs })) {
    const answer = await tab.goto(address);
    if (answer.headers()["content-type"].startsWith("text/html")) await collect();
  }
  const press = async (address, name, scope = "main") => {
    await tab.goto(address);
    await collect();
    await tab.locator(scope).getByRole("button", { name, exact: true }).first().click();
    await tab.waitForLoadState();
    await collect();
  };
  const state = (id) => bench.json(["jobs", "show", id]).state;
  await press("/queues", "Pause", "tr:has-text('images')");
  assert.equal(path(), "/queues");
  assert.match(await tab.locator("tr", { hasText: "images" }).innerText(), /Resume/);
  await press("/queues", "Resume", "tr:has-text('images')");
  bench.run(["queues", "set", "tenants", "--fair", "jobs", "--force"]);
  bench.push("--queue", "tenants", "--key", "anna", "--", "true");
  const anna = tab.locator("tr", { hasText: "anna" });
  // The page knows of a new queue within a second.
  await waitFor("the key to be listed", async () => await tab.goto("/queues/tenants") && await anna.count() > 0);
  await collect();
  await anna.locator("summary").click();
  await anna.getByRole("button", { name: "Pause", exact: true }).click();
  await press("/queues/tenants", "Resume", "tr:has-text('anna')");
  assert.match(await anna.innerText(), /Pause/);
  await press(`/jobs/${dead}`, "Retry");
  assert.notEqual(state(dead), "succeeded");
  await press(`/jobs/${later}`, "Run now");
  const error = `/failures/${store.errors[0]}`;
  await tab.goto(error);
  await tab.locator("input[name=until]").fill("3d");
  await tab.getByRole("button", { name: "Mute", exact: true }).click();
  await press(error, "List it again");
  await tab.goto(`/jobs/${runs}`);
  await tab.locator("summary", { hasText: "Cancel" }).click();
  await tab.getByRole("button", { name: "Cancel", exact: true }).click();
  await waitFor("the job to be cancelled", () => state(runs) === "cancelled");
  await tab.goto(`/jobs/${waits}`);
  await tab.locator("summary", { hasText: "Delete" }).click();
  await tab.getByRole("button", { name: "Delete", exact: true }).click();
  assert.equal(path(), "/jobs");
  assert.equal((await tab.goto(`/jobs/${waits}`)).status(), 404);
  await press("/processors/nightly", "Switch off");
  await press("/processors/nightly", "As the file says");
  await tab.goto("/jobs/change/delete?state=cancelled");
  await tab.getByRole("button", { name: "delete" }).click();
  assert.equal(path(), "/operations");
  await waitFor("the jobs to be deleted", () => bench.json(["jobs", "list", "--state", "cancelled"]).length === 0);
  const fits = (action) => [...forms].some((form) => new RegExp(`^${action.replace("{name}", "[^/]+")}$`).test(form));
  // Jobs are pushed by programs; an operation that could be stopped is over too soon here.
  const missing = ACTIONS.filter((action) => !["/jobs", "/operations/{name}/stop"].includes(action) && !fits(action));
  assert.deepEqual(missing, []);
  assert.deepEqual(tab.wrong(), []);
});

test("a page that is open says when the master goes, and goes on when it is back", async (t) => {
  const { bench, master, web, tab } = await begin(t);
  await tab.goto("/queues");
  const state = tab.locator("#state");
  await state.getByText("running").waitFor();
  await bench.kill(master);
  await state.getByText("no master runs").waitFor();
  // What changes the store alone is done without a master.
  const others = "main form[method=post]:not([action$='/pause'], [action$='/resume'])";
  assert.equal(await tab.locator(others).count(), 0);
  await bench.start();
  await state.getByText("running").waitFor();
  await tab.locator("main").getByRole("button", { name: "Pause" }).first().waitFor();
  assert.deepEqual(tab.wrong(), []);
  // The page itself goes, and comes back at the same address.
  await bench.kill(web.child);
  await tab.locator("#trouble", { hasText: "not reached" }).waitFor();
  await bench.web(web.port);
  await tab.locator("#trouble").waitFor({ state: "hidden" });
  bench.run(["pause", "default"]);
  await tab.locator("main tr .warn", { hasText: "paused" }).waitFor();
});
