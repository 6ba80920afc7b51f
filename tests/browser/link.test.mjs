// The address of the page carries the view, and no data.

import { equal, site, test } from "./harness.mjs";

const fragment = (page) => page.evaluate(() => decodeURIComponent(location.hash).replaceAll("+", " "));

test("a link carries the view, and back goes to the step before", {}, async ({ app, page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: new URL(site).origin });
  await app.openExample();
  await app.at("nav-look").click();
  await app.at("map-expression").waitFor();
  await app.idle();
  await app.at("colour-by").selectOption("total");
  await app.at("map-settings").locator("summary").click();
  await app.at("resolution").fill("0.7");
  await app.at("resolution").press("Tab");
  const first = await gene(page);
  equal(await fragment(page), `#step=look&gene=${first}&mode=knockout&colour=total&resolution=0.7`, "address of a map");
  await app.predict("IFNGR2");
  equal(await fragment(page), "#step=perturb&gene=IFNGR2&mode=knockout&answer=yes&colour=total&resolution=0.7", "address of an answer");
  await app.at("copy-link").click();
  await page.getByText("Link copied").waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  equal(link, page.url(), "the link that was copied");
  await page.goBack();
  await app.at("map-expression").waitFor();
  equal(await app.at("colour-by").inputValue(), "total", "what the map was coloured by");
  await page.goForward();
  await app.at("bar-plot").waitFor();

  // Who follows it sees the same answer, made here.
  await page.goto("about:blank");
  await page.goto(link);
  await app.at("prediction-headline").waitFor();
  await app.idle();
  await app.noError();
  equal(await app.at("target-input").inputValue(), "IFNGR2", "the gene of the link");
  await app.at("nav-look").click();
  await app.at("map-expression").waitFor();
  equal(await app.at("colour-by").inputValue(), "total", "the colour of the link");

  // A gene that this model does not know is named; the rest of the link holds.
  await page.goto("about:blank");
  await page.goto(`${site}#step=perturb&gene=NOSUCHGENE&gene=JAK2&answer=yes`);
  await app.at("target-input").waitFor();
  await app.idle();
  equal(await app.at("target-input").inputValue(), "JAK2", "the gene that is known");
  await page.getByTestId("notice").filter({ hasText: "NOSUCHGENE" }).waitFor();
});

async function gene(page) {
  return new URLSearchParams((await page.evaluate(() => location.hash)).slice(1)).get("gene");
}
