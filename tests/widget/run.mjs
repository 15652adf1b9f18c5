// Bundles the widget's tests into the folder where their tools are installed, and runs them.
//
//   node run.mjs TOOLS_FOLDER WIDGET_FOLDER unit|browser|gateway [more arguments of node --test]
//
// WIDGET_FOLDER holds the built widget.js. unit also checks the types; gateway is the browser's tests
// against the program in BUILD_FOLDER.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [tools, widget, kind, ...more] = process.argv.slice(2);
if (!kind) {
  console.error('usage: run.mjs TOOLS_FOLDER WIDGET_FOLDER unit|browser|gateway');
  process.exit(2);
}
const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');
const require = createRequire(path.resolve(tools, 'package.json'));
const run = (...command) => {
  const environment = { ...process.env, WIDGET_FOLDER: path.resolve(widget), WIDGET_ROOT: root };
  const { status } = spawnSync(process.execPath, command, { stdio: 'inherit', env: environment });
  if (status !== 0) process.exit(status ?? 1);
};

if (kind === 'unit')
  run(require.resolve('typescript/bin/tsc'), '-p', path.join(root, 'gateway/widget'));

if (kind === 'browser') delete process.env.BUILD_FOLDER;
const output = path.resolve(tools, 'bundled', kind);
const folder = kind === 'unit' ? kind : 'browser';
const sources = readdirSync(path.join(here, folder)).filter((name) => /\.test\.m?[jt]s$/.test(name));
await require('esbuild').build({
  entryPoints: sources.map((name) => path.join(here, folder, name)),
  outdir: output,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node18',
  packages: 'external',
  sourcemap: 'inline',
  loader: { '.css': 'text' },
});
const tests = sources.map((name) => path.join(output, name.replace(/\.m?[jt]s$/, '.mjs')));
run('--enable-source-maps', '--test', ...more, ...tests);
