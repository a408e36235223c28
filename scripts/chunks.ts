import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';

/**
 * The files of the bundled command, each loaded when it is required: CommonJS in one folder, where
 * `SLIPWAY_IMPORT()` stands for `import()`, which Node refuses to code that was compiled like this.
 * `FILE/PART` is a function that FILE exports, and that is a chunk, too.
 */
export interface Chunks {
  load(file: string): unknown;
  /** From here on V8 has flags that differ: its compiled code of later chunks is neither read nor kept. */
  close(): void;
  /** Keeps the compiled code of all functions that were called, where some was missing. */
  keep(): void;
}

/** What runs for longer has had V8 throw code away that only the start needed. */
const LONGEST_RUN_MS = 5_000;
const UNUSED_MS = 30 * 86_400_000;

/**
 * Opens the chunks of `folder`.
 *
 * Node's own compile cache keeps code as it is before anything of it ran, and so without nearly all
 * functions: they were compiled anew at each start.
 *
 * @param keptAt file of the compiled code, in a folder that nobody else can write; none is kept if
 * left out. It has to be another one for other chunks: V8 looks at nothing but their length.
 */
export function openChunks(folder: string, keptAt?: string): Chunks {
  const kept = keptAt === undefined ? new Map<string, Buffer>() : read(keptAt);
  const modules = new Map<string, { exports: unknown }>();
  const early = new Map<string, Script>();
  let isOpen = true;
  let isComplete = true;
  const native = createRequire(join(folder, 'any.cjs'));
  const require = (name: string): unknown =>
    name.startsWith('./') ? load(name.slice('./'.length)) : native(name);

  const compile = (file: string): Script => {
    const filename = join(folder, file);
    const cachedData = isOpen ? kept.get(file) : undefined;
    const script = new Script(`${HEAD}${readFileSync(filename, 'utf8')}${TAIL}`, {
      filename,
      ...(cachedData && { cachedData }),
    });
    if (isOpen) {
      early.set(file, script);
      // What V8 refuses it would refuse the next time, too: it has flags that we don't know.
      if (cachedData === undefined) isComplete = false;
    }
    return script;
  };

  const load = (name: string): unknown => {
    const known = modules.get(name);
    if (known !== undefined) return known.exports;
    const module = { exports: {} as unknown };
    modules.set(name, module);
    const [file = '', part] = name.split('/');
    const run = part === undefined ? compile(file).runInThisContext() : partOf(load(file), part);
    run(module.exports, require, module, join(folder, file), folder, importPackage);
    return module.exports;
  };

  return {
    load,
    close() {
      isOpen = false;
      kept.clear();
    },
    keep() {
      if (keptAt === undefined || isComplete || performance.now() > LONGEST_RUN_MS) return;
      try {
        write(keptAt, early);
        forgetOld(keptAt);
      } catch {
        // The next start takes some tens of milliseconds longer, and nothing else changes.
      }
    },
  };
}

const HEAD = '(function(exports,require,module,__filename,__dirname,SLIPWAY_IMPORT){';
const TAIL = '\n})';

type Body = (...given: readonly unknown[]) => void;

function partOf(pack: unknown, part: string): Body {
  return (pack as Readonly<Record<string, Body>>)[part] as Body;
}

const importPackage = (name: string): Promise<unknown> => import(name);

const CRC_BYTES = 4;

/** A checksum, a line of JSON with names and lengths, the code. V8 takes what was damaged as it is. */
function read(path: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  try {
    // What is in it will run: whoever made a way into the folder can't make a file of ours.
    const { uid, mode } = statSync(path);
    if (uid !== process.geteuid?.() || (mode & 0o022) !== 0) return found;
    const all = readFileSync(path);
    const rest = all.subarray(CRC_BYTES);
    if (all.readUInt32LE(0) !== crc32(rest)) return found;
    let at = rest.indexOf('\n');
    const names: readonly [string, number][] = JSON.parse(rest.toString('latin1', 0, at++));
    for (const [file, sizeBytes] of names) {
      found.set(file, rest.subarray(at, at + sizeBytes));
      at += sizeBytes;
    }
  } catch {
    // The first start, or what is there is of no use: it is written anew.
  }
  return found;
}

function write(path: string, scripts: ReadonlyMap<string, Script>): void {
  const codes = [...scripts].map(([file, script]) => [file, script.createCachedData()] as const);
  const names = JSON.stringify(codes.map(([file, code]) => [file, code.byteLength]));
  const rest = Buffer.concat([Buffer.from(`${names}\n`), ...codes.map(([, code]) => code)]);
  const crc = Buffer.alloc(CRC_BYTES);
  crc.writeUInt32LE(crc32(rest));
  const draft = `${path}.${process.pid}`;
  try {
    writeFileSync(draft, Buffer.concat([crc, rest]), { mode: 0o600, flag: 'wx' });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Other releases have files of their own beside it, `KIND-RELEASE-COMMAND`. */
function forgetOld(path: string): void {
  const folder = dirname(path);
  const [kind = ''] = basename(path).split('-');
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${kind}-`) || join(folder, name) === path) continue;
    const ageMs = Date.now() - statSync(join(folder, name)).mtimeMs;
    if (ageMs > UNUSED_MS) rmSync(join(folder, name), { force: true });
  }
}
