import { isJsonObject } from '../oci/json.ts';
import type { Hints, Json } from '../state/hints.ts';
import { type HostProfile, profileOf } from './profiles.ts';

/** What a registry does: what its kind is known for, and what it has shown. */
export interface HostTraits extends HostProfile {
  /** answers HEAD of a blob */
  readonly answersHead?: boolean;
  /** mounts blobs of other repositories */
  readonly mounts?: boolean;
}

type Lesson = Omit<HostTraits, 'name'>;

/** The traits of one host, remembered for a week. A wrong one costs time, never correctness. */
export interface Traits {
  readonly now: HostTraits;
  learn(lesson: Lesson): void;
}

const TABLE = 'host-traits';
const LIFE_MS = 7 * 24 * 3_600_000;

const FLAGS = [
  'takesChunks',
  'keepsPartialUploads',
  'mountsWithoutFrom',
  'setsManyTags',
  'honoursConditions',
  'deletesTags',
  'deletesManifests',
  'servesReferrers',
  'answersHead',
  'mounts',
] as const;

/** Traits that are kept in `hints`, or for this run only. */
export function createTraits(hints: Hints | undefined, host: string): Traits {
  const profile = profileOf(host);
  let learned: Lesson | undefined;
  const lessons = (): Lesson => {
    learned ??= parse(hints?.get(TABLE, host));
    return learned;
  };
  return {
    get now() {
      return { ...profile, ...lessons() };
    },
    learn(lesson) {
      const known = lessons() as Readonly<Record<string, unknown>>;
      if (Object.entries(lesson).every(([name, value]) => known[name] === value)) return;
      learned = { ...known, ...lesson };
      hints?.set(TABLE, host, { ...learned, learnedAtMs: Date.now() } as Json);
    },
  };
}

/** A hint was written by anybody, any time: only fields that look right are taken. */
function parse(value: unknown): Lesson {
  if (!isJsonObject(value)) return {};
  const ageMs = Date.now() - Number(value.learnedAtMs);
  if (!(ageMs >= 0 && ageMs < LIFE_MS)) return {};
  const flags = FLAGS.filter((name) => typeof value[name] === 'boolean');
  const max = value.maxBodyBytes;
  return {
    ...Object.fromEntries(flags.map((name) => [name, value[name]])),
    ...(typeof max === 'number' && Number.isSafeInteger(max) && max > 0
      ? { maxBodyBytes: max }
      : {}),
  };
}
