import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answer, askProgram } from '../build/engines/program.ts';
import { printable } from '../bytes/printable.ts';
import { collect } from '../bytes/stream.ts';
import { readTar } from '../bytes/tar-read.ts';
import type { Engine } from '../engine/client.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { readSmallFile } from '../layout/files.ts';
import { startAttached } from './attached.ts';
import type { Containers } from './containers.ts';
import type { Service } from './definition.ts';
import { putFiles } from './inner-files.ts';
import type { Tools } from './tools.ts';

const MAX_CONFIG_BYTES = 1024 * 1024;
/** A folder of the container that anybody in it can write to. */
const OUT = { name: 'jet-dockercfg/', mode: 0o777 };
const PATH = `/${OUT.name}config.json`;

/**
 * Runs a service whose container writes a docker config to the path that is its only argument, and
 * gives what it wrote. It is read out of the container and kept in memory.
 *
 * @throws SlipwayError `COMMAND_FAILED`, `NO_ENGINE`
 */
export async function generatedByService(
  service: Service,
  { tools, containers }: { readonly tools: Tools; readonly containers: Containers },
): Promise<Uint8Array> {
  const { signal } = tools;
  const { files, ...made } = await containers.spec(service);
  const engine = await tools.engine();
  const say = (line: string) => tools.say(`(service: ${service.name}) ${line}`);
  const attached = await startAttached(
    engine,
    { ...made, command: [PATH] },
    { say, signal, prepare: (id) => putFiles(engine, id, [...files, OUT], { signal }) },
  );
  try {
    const status = await attached.ended();
    if (status !== 0) {
      throw new SlipwayError(
        'COMMAND_FAILED',
        `the service ${service.name}, which should write a docker config, ended with status ${status}`,
      );
    }
    return await readOut(engine, attached.container.id, service.name, signal);
  } finally {
    attached.detach();
    await attached.container.remove();
  }
}

async function readOut(
  engine: Engine,
  id: string,
  service: string,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const path = `/containers/${id}/archive`;
  const request = { method: 'GET', path, query: { path: PATH }, signal } as const;
  const wroteNothing = () =>
    new SlipwayError('COMMAND_FAILED', `the service ${service} wrote no docker config`, {
      hint: `its entrypoint is given one argument, the path that it must write to: ${PATH}`,
    });
  const answer = await engine
    .send({ ...request, what: 'read a docker config' })
    .catch((error: unknown) => {
      throw isSlipwayError(error, 'NOT_FOUND') ? wroteNothing() : error;
    });
  for await (const entry of readTar(answer.body, { what: `what ${service} wrote`, signal })) {
    if (entry.type !== 'file') continue;
    return await collect(entry.read(), MAX_CONFIG_BYTES, `what ${service} wrote`);
  }
  throw wroteNothing();
}

const PROGRAM_MS = 5 * 60_000;

/**
 * Runs a program of this machine with the same protocol. What it writes is in a folder for its owner
 * alone, in memory where the machine has a place for that, and is removed at once.
 *
 * @throws SlipwayError `COMMAND_FAILED`
 */
export async function generatedByProgram(
  words: readonly string[],
  { signal, dir }: { readonly signal: AbortSignal; readonly dir: string },
): Promise<Uint8Array> {
  const [program = '', ...args] = words;
  const inMemory = await stat('/dev/shm').catch(() => undefined);
  const folder = await mkdtemp(join(inMemory?.isDirectory() ? '/dev/shm' : tmpdir(), 'slipway-'));
  try {
    const path = join(folder, 'config.json');
    const options = { cwd: dir, timeoutMs: PROGRAM_MS, signal };
    const answer = await askProgram(program, [...args, path], options);
    if (answer?.status !== 0) {
      throw new SlipwayError(
        'COMMAND_FAILED',
        `${program}, which should write a docker config, ${howEnded(answer)}`,
        lastWordsOf(answer),
      );
    }
    const written = await readSmallFile(path, MAX_CONFIG_BYTES);
    if (written !== undefined) return written;
    throw new SlipwayError('COMMAND_FAILED', `${program} wrote no docker config`, {
      hint: 'it is given one more argument: the path that it must write to',
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function howEnded(answer: Answer | undefined): string {
  if (answer === undefined) return 'is not there';
  return answer.status === undefined ? 'was killed' : `ended with status ${answer.status}`;
}

function lastWordsOf(answer: Answer | undefined): { readonly hint?: string } {
  const words = printable(answer?.stderr.trim().split('\n').at(-1) ?? '');
  return words === '' ? {} : { hint: `it said: ${words}` };
}
