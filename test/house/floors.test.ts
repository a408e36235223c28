import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { importsOf, sourceFiles, unreadableImports, withoutComments } from './sources.ts';

/** The floors of the house; an import goes down or stays on its floor. */
const FLOORS: Readonly<Record<string, number>> = {
  ...floor(0, 'oci bytes http'),
  ...floor(1, 'content state'),
  ...floor(2, 'registry layout archive engine credentials'),
  ...floor(3, 'publish upkeep build run server'),
  ...floor(4, 'cli dialects make dimg jet fleet'),
};
/** These stand beside the floors: all may import them, they import nothing. */
const BESIDE = ['errors.ts', 'events.ts'];
/** The library's door: it opens every room, and no room goes through it. */
const DOOR = 'index.ts';

const NAMES_THAT_SAY_NOTHING =
  /^(?:utils?|common|core|helpers?|misc|shared|services?|managers?|lib)(?:\.|$)/;

function floor(level: number, rooms: string): Record<string, number> {
  return Object.fromEntries(rooms.split(' ').map((room) => [room, level]));
}

interface Arrow {
  readonly from: string;
  readonly to: string;
}

const files = sourceFiles();

/** Every import of one of our files by another. */
function arrows(): readonly Arrow[] {
  return files.flatMap(({ name, text }) =>
    importsOf(text)
      .filter((target) => target.startsWith('.'))
      .map((target) => ({ from: name, to: path.posix.join(path.posix.dirname(name), target) })),
  );
}

function roomOf(name: string): string {
  return name.split('/')[0] ?? '';
}

/** The first circle among arrows, as the names along it, or undefined. */
function circle(edges: readonly Arrow[]): readonly string[] | undefined {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of edges) next.set(from, (next.get(from) ?? new Set()).add(to));
  const done = new Set<string>();
  const visit = (name: string, trail: readonly string[]): readonly string[] | undefined => {
    if (trail.includes(name)) return [...trail.slice(trail.indexOf(name)), name];
    if (done.has(name)) return undefined;
    for (const target of next.get(name) ?? []) {
      const found = visit(target, [...trail, name]);
      if (found !== undefined) return found;
    }
    done.add(name);
    return undefined;
  };
  for (const name of next.keys()) {
    const found = visit(name, []);
    if (found !== undefined) return found;
  }
  return undefined;
}

test('the reader of imports sees every way to write one, and none in comments', () => {
  const text = withoutComments(`
    import { a,
      b } from './one.ts';
    import type { C } from "./two.ts"; // import './no.ts';
    export * from './three.ts';
    export type { D } from './four.ts';
    import './five.ts';
    /* import { x } from './no.ts' */
    const lazy = await import('./six.ts');
    type T = import('./seven.ts').T;
    const quote = /['"]/; const url = 'http://a//b';
    import eight, { type E } from './eight.ts';
    export { f } from './nine.ts';
  `);
  assert.deepEqual(
    [...importsOf(text)].sort(),
    ['eight', 'five', 'four', 'nine', 'one', 'seven', 'six', 'three', 'two'].map(
      (name) => `./${name}.ts`,
    ),
  );
  const computed = `import(\`./commands/\${name}.ts\`)`;
  assert.deepEqual(unreadableImports(`await ${computed}`), [computed]);
});

test('a circle is found where there is one', () => {
  const edge = (from: string, to: string) => ({ from, to });
  assert.equal(circle([edge('a', 'b'), edge('b', 'c'), edge('a', 'c')]), undefined);
  assert.deepEqual(circle([edge('a', 'b'), edge('b', 'c'), edge('c', 'b')]), ['b', 'c', 'b']);
});

test('every file stands in a room that the design names', () => {
  assert.ok(files.length > 10, 'the sources were not found');
  const homeless = files
    .map(({ name }) => name)
    .filter((name) =>
      name.includes('/') ? !Object.hasOwn(FLOORS, roomOf(name)) : ![...BESIDE, DOOR].includes(name),
    );
  assert.deepEqual(homeless, []);
});

test('no import goes up a floor', () => {
  const level = (name: string) => FLOORS[roomOf(name)] ?? -1;
  const up = arrows().filter(({ from, to }) => {
    if (BESIDE.includes(to)) return false;
    if (from === DOOR) return roomOf(to) === 'cli';
    return to === DOOR || BESIDE.includes(from) || level(to) > level(from);
  });
  assert.deepEqual(up, []);
});

test('bytes/ and http/ know nothing of images', () => {
  const wrong = arrows().filter(
    ({ from, to }) => ['bytes', 'http'].includes(roomOf(from)) && roomOf(to) === 'oci',
  );
  assert.deepEqual(wrong, []);
});

test('no circle joins files', () => {
  assert.equal(circle(arrows()), undefined);
});

test('no circle joins rooms', () => {
  const rooms = arrows()
    .map(({ from, to }) => ({ from: roomOf(from), to: roomOf(to) }))
    .filter(({ from, to }) => from !== to);
  assert.equal(circle(rooms), undefined);
});

test('every import can be followed', () => {
  const names = new Set(files.map(({ name }) => name));
  assert.deepEqual(
    arrows().filter(({ to }) => !names.has(to)),
    [],
  );
  const unreadable = files.flatMap(({ name, text }) =>
    unreadableImports(text).map((found) => `${name}: ${found}`),
  );
  assert.deepEqual(unreadable, []);
});

test('names of files and folders say what is inside', () => {
  const empty = files
    .map(({ name }) => name)
    .filter((name) => name.split('/').some((part) => NAMES_THAT_SAY_NOTHING.test(part)));
  assert.deepEqual(empty, []);
});

/** Files that a program writes, with the program. */
const MADE: Readonly<Record<string, string>> = { 'bytes/deflate-module.ts': 'scripts/deflate.ts' };

test('no file that somebody writes is longer than 300 lines', () => {
  const long = files
    .filter(({ name, lines }) => lines > 300 && MADE[name] === undefined)
    .map(({ name, lines }) => `${name} ${lines}`);
  assert.deepEqual(long, []);
});
