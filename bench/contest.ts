import path from 'node:path';
import { startDockerRegistry } from '../test/rig/docker-registry.ts';
import { atEnd, type Owner, tempDir } from '../test/rig/lifetime.ts';
import { ownerWithEnd } from '../test/rig/owner.ts';
import type { Bench } from './bench.ts';
import { startDelay } from './delay.ts';
import { layerBytesOf } from './held.ts';
import { type Command, type Cost, measureAll } from './measure.ts';
import { profile } from './profile.ts';
import { type Seen, startWire } from './wire.ts';

/** Where and with what a contender runs. */
export interface Place {
  /** `127.0.0.1:PORT` of the registry */
  readonly host: string;
  /** HOME and such: folders of its own, of which nothing is left from an earlier run */
  readonly env: Readonly<Record<string, string>>;
  readonly owner: Owner;
  /** ends what is being measured */
  readonly signal: AbortSignal;
}

/** One who publishes, and is measured. */
export interface Contender {
  readonly name: string;
  /** Slipway: all others are compared with it */
  readonly isOurs?: boolean;
  /** What isn't measured but has to be done first. */
  prepare?(place: Place): Promise<void>;
  publish(place: Place): readonly Command[];
  /** it needs no registry */
  readonly isOffline?: boolean;
  /** it sends layers only: there is no image to look at */
  readonly sendsNoManifest?: boolean;
}

/** What came out for one contender. */
export interface Outcome {
  readonly contender: Contender;
  readonly costs: readonly Cost[];
  /** of one more run that isn't timed, for what counts slows it down */
  readonly seen?: Seen;
  /** sizes of the layers that it published, as the registry has them */
  readonly layerBytes?: number;
}

export interface ContestOptions {
  readonly rounds?: number;
  /** how far away the registry is, each way */
  readonly delayMs?: number;
  /** reference of the published image without the host */
  readonly image?: string;
  /** false leaves out the run in which requests and bytes are counted */
  readonly isCounted?: boolean;
}

/**
 * Lets every contender publish once in each round, each time to a registry whose storage is empty:
 * what slows the machine down for a while slows them all down.
 */
export async function contest(
  bench: Bench,
  title: string,
  contenders: readonly Contender[],
  options: ContestOptions = {},
): Promise<readonly Outcome[]> {
  const { rounds = bench.rounds, image = 'bench:1', isCounted = true } = options;
  const outcomes: Outcome[] = [];
  for (const contender of contenders) {
    if (contender.isOffline || !isCounted) outcomes.push({ contender, costs: [] });
    else {
      bench.say(`${title}: ${contender.name}, counted`);
      outcomes.push(...(await counted(bench, title, contender, image)));
    }
  }
  const costs = new Map<Contender, Cost[]>(outcomes.map(({ contender }) => [contender, []]));
  for (let round = 1; round <= rounds; round++) {
    bench.say(`${title}: round ${round} of ${rounds}`);
    for (const [contender, list] of costs) {
      const folders = contender.isOffline ? withoutRegistry : alone;
      list.push(await folders(bench, options, (place) => runOf(contender, place)));
    }
  }
  return outcomes.map((outcome) => ({ ...outcome, costs: costs.get(outcome.contender) ?? [] }));
}

async function runOf(contender: Contender, place: Place): Promise<Cost> {
  await contender.prepare?.(place);
  return await measureAll(contender.publish(place), place.signal);
}

/** One run through a relay that counts. A peer that can't do it is left out. */
async function counted(
  bench: Bench,
  title: string,
  contender: Contender,
  image: string,
): Promise<Outcome[]> {
  try {
    return [await alone(bench, {}, (place) => countedAt(bench, title, contender, image, place))];
  } catch (error) {
    if (contender.isOurs || bench.signal.aborted) throw error;
    bench.say(`${contender.name} is left out: ${String(error)}`);
    return [];
  }
}

async function countedAt(
  bench: Bench,
  title: string,
  contender: Contender,
  image: string,
  place: Place,
): Promise<Outcome> {
  const wire = await startWire(place.owner, place.host);
  const through = { ...place, host: wire.host };
  await contender.prepare?.(through);
  wire.clear();
  await measureAll(contender.publish(through), place.signal);
  const seen = wire.seen();
  const { profiles } = bench;
  if (profiles !== undefined && contender.isOurs) {
    await alone(bench, {}, async (other) => {
      await contender.prepare?.(other);
      await profile(bench, profiles, `${title} ${contender.name}`, contender.publish(other));
    });
  }
  if (contender.sendsNoManifest) return { contender, costs: [], seen };
  const layerBytes = await layerBytesOf(place.host, image);
  return { contender, costs: [], seen, layerBytes };
}

/** The same contender, when it has published the image to this registry before. */
export function secondTime(contender: Contender): Contender {
  return {
    ...contender,
    prepare: async (place) => {
      await contender.prepare?.(place);
      await measureAll(contender.publish(place), place.signal);
    },
  };
}

/** Runs something with a registry and folders of its own, which are gone afterwards. */
function alone<T>(
  bench: Bench,
  { delayMs = 0 }: ContestOptions,
  act: (place: Place) => Promise<T>,
): Promise<T> {
  return withOwner(bench, async (owner) => {
    const { host: near } = await startDockerRegistry(owner);
    const host = delayMs > 0 ? await startDelay(owner, near, delayMs) : near;
    return await act({ host, env: await freshUser(bench, owner), owner, signal: bench.signal });
  });
}

function withoutRegistry<T>(
  bench: Bench,
  _options: ContestOptions,
  act: (place: Place) => Promise<T>,
): Promise<T> {
  return withOwner(bench, async (owner) =>
    act({ host: '', env: await freshUser(bench, owner), owner, signal: bench.signal }),
  );
}

/** Whatever is registered with the owner ends with `act`, or with the program if it is earlier. */
export async function withOwner<T>(bench: Bench, act: (owner: Owner) => Promise<T>): Promise<T> {
  bench.signal.throwIfAborted();
  const { owner, end } = ownerWithEnd();
  let ending: Promise<void> | undefined;
  const endOnce = () => {
    ending ??= end();
    return ending;
  };
  atEnd(bench.owner, endOnce);
  try {
    return await act(owner);
  } finally {
    await endOnce();
  }
}

/** The environment of a user who has run nothing here but has Node's compile cache. */
export async function freshUser(
  bench: Bench,
  owner: Owner,
): Promise<Readonly<Record<string, string>>> {
  const folder = await tempDir(owner);
  return {
    HOME: folder,
    SLIPWAY_HOME: path.join(folder, 'slipway'),
    XDG_CACHE_HOME: path.join(bench.home, 'cache'),
    XDG_RUNTIME_DIR: folder,
    DOCKER_CONFIG: path.join(folder, 'docker'),
    DOCKER_HOST: `unix://${path.join(folder, 'no-engine')}`,
    TMPDIR: folder,
  };
}
