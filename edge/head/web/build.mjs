// Bundles the page into ../static. The same sources and lock file give the same bytes.
import { build } from "esbuild";
import { copyFile } from "node:fs/promises";

const out = new URL("../static/", import.meta.url);
await build({
  entryPoints: ["src/main.ts"],
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome100", "firefox110", "safari16"],
  outfile: new URL("app.js", out).pathname,
  legalComments: "linked",
  logLevel: "info",
});
for (const name of ["index.html", "style.css", "icon.svg"]) {
  await copyFile(new URL(`src/${name}`, import.meta.url), new URL(name, out));
}
