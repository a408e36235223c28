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
];

function whenUsed(name: string): string {
  const load = `process.getBuiltinModule(${JSON.stringify(name)})`;
  const module: unknown = process.getBuiltinModule(name);
  // What is a function itself (events, stream, assert) can't stand for itself later.
  if (typeof module !== 'object' || module === null) return `module.exports=${load}`;
  const getters = Object.keys(module).map(
    (key) => `get ${JSON.stringify(key)}(){return of()[${JSON.stringify(key)}]}`,
  );
  return `let it;const of=()=>it??=${load};module.exports={${getters.join(',')}}`;
}
