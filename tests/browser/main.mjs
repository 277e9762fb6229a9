// The page in a real browser: Debian's Chromium, driven by playwright-core, with axe-core for what keeps people out.
//
// One mechanism for all of it, and not WebDriver from Rust: axe is JavaScript in any case; a context without JavaScript, in
// dark colours or as a phone is one argument here and a browser of its own there; and dialogs, errors of the console, and
// requests are events here. Both packages are without dependencies and download no browser. `scripts/check browser` runs it.
import { after, describe, it } from "node:test";
import { tests } from "./bench.mjs";
import { browser } from "./browser.mjs";
import "./acting.mjs";
import "./guarding.mjs";
import "./looking.mjs";

// Some wait for a master while others keep the browser busy.
describe("the page", { concurrency: 4 }, () => {
  for (const [name, run] of tests) it(name, run);
});
after(() => browser.close());
