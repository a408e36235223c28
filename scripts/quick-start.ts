import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * What makes the bundled command start quicker: docs/decisions/0074-start-up.md has the numbers.
 */
export const QUICK_START: readonly Plugin[] = [
  {
    // An import of one of Node's own modules asks for each of its exports, and some of them load
    // half of Node (`fs.ReadStream`, `util.TextDecoder`). Here each is loaded when it is used.
    name: 'builtins-when-used',
    setup(build) {
      build.onResolve({ filter: /^node:/ }, ({ path: name }) => ({
        path: name,
        namespace: 'builtin',
      }));
      build.onLoad({ filter: /./, namespace: 'builtin' }, ({ path: name }) => ({
        contents: whenUsed(name),
      }));
    },
  },
  {
    // Its main file loads fetch, WebSocket, caches and mocks, too.
    name: 'parts-of-undici',
    setup(build) {
      const parts = path.join(import.meta.dirname, 'undici-parts.cjs');
      build.onResolve({ filter: /^undici$/ }, () => ({ path: parts }));
    },
  },
  {
    // No connection of ours offers HTTP/2; undici would load Node's all the same.
    name: 'no-http2',
    setup(build) {
      build.onLoad({ filter: /undici\/lib\/dispatcher\/client-h2\.js$/ }, () => ({
        contents: "module.exports=()=>{throw new Error('HTTP/2 is not offered')}",
      }));
    },
  },
  {
    // Two of undici's files load node:http for one thing each: a class to compare with, whose name
    // does as well, and a default for what we always say.
    name: 'node-http-when-used',
    setup(build) {
      build.onLoad(
        { filter: /undici\/lib\/(core\/util|dispatcher\/client)\.js$/ },
        async (file) => {
          let contents = await readFile(file.path, 'utf8');
          for (const [old, by] of file.path.endsWith('util.js') ? HTTP_IN_UTIL : HTTP_IN_CLIENT) {
            const before = contents;
            contents = before.replace(old, by);
            if (contents === before) throw new Error(`${file.path} reads node:http in another way`);
          }
          return { contents };
        },
      );
    },
  },
  {
    // A command on its own is a file of its own, and what it shares with some others is one more
    // for each set of others: to find and open 33 files took longer than to read these commands.
    name: 'small-commands-together',
    setup(build) {
      build.onLoad({ filter: /src\/cli\/run\.ts$/ }, async ({ path: file }) => {
        const source = await readFile(file, 'utf8');
        const names = SMALL_COMMANDS.join('|');
        const each = new RegExp(`import\\('\\./commands/(${names})\\.ts'\\)`, 'g');
        return {
          contents: source.replaceAll(each, "import('small-commands').then((all) => all.$1)"),
          loader: 'ts',
        };
      });
      build.onResolve({ filter: /^small-commands$/ }, ({ resolveDir }) => ({
        path: resolveDir,
        namespace: 'small-commands',
      }));
      build.onLoad({ filter: /./, namespace: 'small-commands' }, ({ path: resolveDir }) => ({
        contents: SMALL_COMMANDS.map(
          (name) => `export * as ${name} from './commands/${name}.ts';`,
        ).join('\n'),
        resolveDir,
      }));
    },
  },
];

type Edits = readonly (readonly [string | RegExp, string])[];

const HTTP_IN_UTIL: Edits = [
  ["const { IncomingMessage } = require('node:http')", ''],
  ['constructor === IncomingMessage', "constructor.name === 'IncomingMessage'"],
];

const HTTP_IN_CLIENT: Edits = [
  [/= http &&\s+http\.maxHeaderSize &&[\s\S]*?(?=\? \(\) =>)/, '= true '],
];

const SMALL_COMMANDS: readonly string[] = [
  ...['push', 'copy', 'pull', 'load', 'save', 'tag', 'images', 'rmi', 'image', 'inspect', 'ls'],
  ...['verify', 'rm', 'index', 'login', 'logout', 'doctor'],
];

const ASSERT_WHEN_FAILED = `
  const assert = (value, ...more) => {
    if (!value) process.getBuiltinModule('node:assert')(value, ...more);
  };
  module.exports = new Proxy(assert, {
    get: (_, key) => process.getBuiltinModule('node:assert')[key],
  });`;

function whenUsed(name: string): string {
  const load = `process.getBuiltinModule(${JSON.stringify(name)})`;
  const module: unknown = process.getBuiltinModule(name);
  // Only a failure needs the one of Node, which loads six others.
  if (name === 'node:assert') return ASSERT_WHEN_FAILED;
  // What is a function itself (events, stream) can't stand for itself later.
  if (typeof module !== 'object' || module === null) return `module.exports=${load}`;
  const getters = Object.keys(module).map(
    (key) => `get ${JSON.stringify(key)}(){return of()[${JSON.stringify(key)}]}`,
  );
  return `let it;const of=()=>it??=${load};module.exports={${getters.join(',')}}`;
}
