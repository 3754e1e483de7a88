// Bundles the page into ../static, or into the folder given. The same sources and lock file give the same bytes.
import { build } from "esbuild";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const out = process.argv[2] ? pathToFileURL(`${process.argv[2]}/`) : new URL("../static/", import.meta.url);
await build({
  entryPoints: ["src/main.ts"],
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome100", "firefox110", "safari16"],
  absWorkingDir: new URL(".", import.meta.url).pathname,
  outfile: new URL("app.js", out).pathname,
  legalComments: "none", // the licences are in LICENSES.txt
  logLevel: "info",
});
for (const name of ["index.html", "style.css", "icon.svg"]) {
  await copyFile(new URL(`src/${name}`, import.meta.url), new URL(name, out));
}
const licence = await readFile(new URL("node_modules/three/LICENSE", import.meta.url), "utf8");
const face =
  "Shapes: MakeHuman base mesh and targets (MakeHuman community), Face Units (Mika Suominen), all CC0 1.0;\n" +
  "eyes, teeth, lashes, garment and colours: au-edge, CC0 1.0.\n";
await writeFile(new URL("LICENSES.txt", out), `app.js contains three.js:\n\n${licence}\nface.glb:\n\n${face}`);
