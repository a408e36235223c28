/**
 * Measures Slipway beside other tools, on loopback. `--help` tells the cases and options.
 *
 *     npm run bench -- [OPTIONS] [CASE…]
 */
import { writeFile } from 'node:fs/promises';
import { tempDir } from '../test/rig/lifetime.ts';
import { ownerWithEnd } from '../test/rig/owner.ts';
import { findProgram } from '../test/rig/programs.ts';
import type { Bench, Case, Section } from './bench.ts';
import { archive } from './cases/archive.ts';
import { build } from './cases/build.ts';
import { classic, containerd, podman } from './cases/engine.ts';
import { layout } from './cases/layout.ts';
import { machine } from './cases/machine.ts';
import { many } from './cases/many.ts';
import { memory } from './cases/memory.ts';
import { release } from './cases/release.ts';
import { start } from './cases/start.ts';
import { twice } from './cases/twice.ts';
import { factsOf } from './machine.ts';
import { help, type Options, readOptions } from './options.ts';
import { render, renderGlance } from './report.ts';

const CASES: readonly Case[] = [
  machine,
  archive,
  classic,
  containerd,
  podman,
  layout,
  start,
  many,
  release,
  twice,
  build,
  memory,
];

async function benchOf(
  options: Options,
  owner: Bench['owner'],
  signal: AbortSignal,
): Promise<Bench> {
  const { rounds, scale, images, program, before, profiles, peers } = options;
  const started = performance.now();
  return {
    ...{ owner, signal, rounds, scale, images },
    home: await tempDir(owner),
    slipway: [process.execPath, program],
    ...(before === undefined ? {} : { before: [process.execPath, before] }),
    ...(profiles === undefined ? {} : { profiles }),
    has: (peer) => peers.has(peer) && findProgram(peer) !== undefined,
    say(line) {
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      process.stderr.write(`${seconds.padStart(5)} s  ${line}\n`);
    },
  };
}

async function main(options: Options): Promise<void> {
  const { owner, end } = ownerWithEnd();
  const interruption = new AbortController();
  const { signal } = interruption;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => interruption.abort());
  }
  try {
    await measureAllCases(options, owner, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = 130;
  } finally {
    await end();
  }
}

async function measureAllCases(
  options: Options,
  owner: Bench['owner'],
  signal: AbortSignal,
): Promise<void> {
  const bench = await benchOf(options, owner, signal);
  const facts = await factsOf(bench, options);
  const tell = (text: string) => process.stdout.write(`${text}\n\n`);
  tell(facts);
  const texts: string[] = [];
  const sections: Section[] = [];
  const write = async () => {
    if (options.out === undefined) return;
    const glance = options.isQuick ? [] : [renderGlance(sections)];
    await writeFile(options.out, `${[facts, ...glance, ...texts].join('\n\n')}\n`);
  };
  for (const one of options.cases) {
    const reason = one.missing();
    const measured = reason === false ? await one.run(bench) : [];
    const before = texts.length;
    if (reason !== false) texts.push(`## ${one.about}\n\nNot measured: ${reason}.`);
    for (const section of measured) {
      // Tiny images say nothing of what we hold ourselves to.
      const kept = options.isQuick ? { ...section, shows: [] } : section;
      sections.push(kept);
      texts.push(render(kept));
    }
    for (const text of texts.slice(before)) tell(text);
    // A case that fails after many minutes takes nothing of the others along.
    await write();
  }
  if (!options.isQuick) tell(renderGlance(sections));
}

function optionsOrEnd(): Options | undefined {
  try {
    return readOptions(CASES, process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}; --help tells what there is\n`);
    process.exit(2);
  }
}

const options = optionsOrEnd();
if (options === undefined) process.stdout.write(help(CASES));
else await main(options);
