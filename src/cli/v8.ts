/** What nearly every command uses of Node before it ends. */
const USED_BY_MOST = [
  ...['node:net', 'node:perf_hooks', 'node:fs/promises', 'node:crypto', 'node:sqlite'],
];

interface Setting {
  readonly flag: string;
  readonly usual: string;
  /** Another V8 may not know the flag and would say so on the terminal. */
  readonly releases: readonly string[];
}

const SETTINGS: readonly Setting[] = [
  // Threads that compile wait for the main thread where memory is to be collected, and at the end
  // it waits for them: for ever. docs/decisions/0076-how-the-command-ends.md
  {
    flag: '--no-concurrent-sparkplug',
    usual: '--concurrent-sparkplug',
    releases: ['24', '26'],
  },
  { flag: '--no-maglev', usual: '--maglev', releases: ['24', '26'] },
  // The young generation stays small, so that chunks that were sent are given back sooner: 800 MiB
  // into a registry peaked at 122 MiB instead of 162, in the same time.
  {
    flag: '--semi-space-growth-factor=1',
    usual: '--semi-space-growth-factor=2',
    releases: ['24'],
  },
  // undici's parser of HTTP is one large function of WebAssembly. To make it quicker costs another
  // thread 60 ms and 23 MB, after some dozen answers. What compresses is made quicker all the same,
  // 30 ms later.
  {
    flag: '--wasm-tiering-budget=2000000000',
    usual: '--wasm-tiering-budget=13000000',
    releases: ['24'],
  },
];

/**
 * Chunks of layers are garbage at once, and lie outside of V8's heap, which is small: at its usual
 * pace V8 collects all of it every 20 MB, and that takes a tenth of a push that compresses.
 */
const OF_COMPRESSION: Setting = {
  flag: '--heap-growing-percent=400',
  usual: '--heap-growing-percent=0',
  releases: ['24'],
};

const set = new Set<Setting>();

/**
 * Loads what most commands need of Node, and then tells V8 how to compile and collect. In this
 * order: Node's own modules come with compiled code, which V8 refuses once any flag is set.
 */
export function prepareToWork(): void {
  for (const name of USED_BY_MOST) process.getBuiltinModule(name);
  settleV8();
}

/** Tells V8 how to compile and collect from now on; at the latest before the process ends. */
export function settleV8(): void {
  for (const setting of SETTINGS) apply(setting);
}

/** Has V8 collect less often, from when layers are to be compressed. */
export function collectLessOften(): void {
  apply(OF_COMPRESSION);
}

/** Does something while V8's flags are what they were at the start: they are part of what code is for. */
export function withoutFlags(work: () => void): void {
  for (const { usual } of set) setFlag(usual);
  work();
  for (const { flag } of set) setFlag(flag);
}

function apply(setting: Setting): void {
  if (set.has(setting) || !setting.releases.includes(RELEASE)) return;
  set.add(setting);
  setFlag(setting.flag);
}

function setFlag(flag: string): void {
  // An import would load it for every command.
  process.getBuiltinModule('node:v8').setFlagsFromString(flag);
}

const RELEASE = process.versions.node.split('.', 1)[0] ?? '';
