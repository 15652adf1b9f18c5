// Makes the one file a page loads, and its compressed forms.
//
//   node build.mjs OUTPUT_FOLDER
//
// Writes widget.js, widget.js.gz, widget.js.br, and widget.js.etag, the hash that names them. Fails
// where the script weighs more than a page should have to load.
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const kMostGzipBytes = 25_000;

const source = path.dirname(fileURLToPath(import.meta.url));
const output = path.resolve(process.argv[2] ?? '.');
// The tools are installed in the build folder; the sources stay clean.
const require = createRequire(path.join(output, 'package.json'));
const { build, transform } = await import(pathToFileURL(require.resolve('esbuild')).href);

const styleSheets = {
  name: 'style sheets as text',
  setup(plugins) {
    plugins.onLoad({ filter: /\.css$/ }, async ({ path: file }) => {
      const text = await readFile(file, 'utf8');
      const { code } = await transform(text, { loader: 'css', minify: true });
      return { contents: code.trim(), loader: 'text' };
    });
  },
};

const result = await build({
  entryPoints: [path.join(source, 'src/main.ts')],
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2020',
  charset: 'utf8',
  legalComments: 'none',
  write: false,
  plugins: [styleSheets],
  logLevel: 'warning',
});
const script = Buffer.from(result.outputFiles[0].contents);
const gzip = gzipSync(script, { level: 9 });
const brotli = brotliCompressSync(script, {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_SIZE_HINT]: script.length,
  },
});
if (gzip.length > kMostGzipBytes) {
  console.error(
    `widget.js: ${gzip.length} bytes compressed with gzip; a page should load at most ` +
      `${kMostGzipBytes}. Make it smaller, or raise the limit in build.mjs with a reason.`,
  );
  process.exit(1);
}
await mkdir(output, { recursive: true });
await writeFile(path.join(output, 'widget.js'), script);
await writeFile(path.join(output, 'widget.js.gz'), gzip);
await writeFile(path.join(output, 'widget.js.br'), brotli);
const hash = createHash('sha256').update(script).digest('hex').slice(0, 32);
await writeFile(path.join(output, 'widget.js.etag'), hash);
console.log(`widget.js: ${script.length} bytes, gzip ${gzip.length}, brotli ${brotli.length}`);
