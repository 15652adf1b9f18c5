// Bundles the widget's tests into the folder where their tools are installed, and runs them.
//
//   node run.mjs TOOLS_FOLDER WIDGET_FOLDER unit|browser [more arguments of node --test]
//
// WIDGET_FOLDER holds the built widget.js. unit also checks the types.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [tools, widget, kind, ...more] = process.argv.slice(2);
if (!kind) {
  console.error('usage: run.mjs TOOLS_FOLDER WIDGET_FOLDER unit|browser');
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

const output = path.resolve(tools, 'bundled', kind);
const sources = readdirSync(path.join(here, kind)).filter((name) => /\.test\.m?[jt]s$/.test(name));
await require('esbuild').build({
  entryPoints: sources.map((name) => path.join(here, kind, name)),
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
