import { parseChallenges } from '../http/challenge.ts';
import type { HttpResponse } from '../http/client.ts';
import { isJsonObject } from '../oci/json.ts';
import type { Hints, Json } from '../state/hints.ts';
import { type HostProfile, productNamed, productOf, profileOf, UNKNOWN } from './profiles.ts';

/** What a registry does: what its kind is known for, and what it has shown. */
export interface HostTraits extends HostProfile {
  /** answers HEAD of a blob */
  readonly answersHead?: boolean;
  /** mounts blobs of other repositories */
  readonly mounts?: boolean;
}

type Lesson = Omit<HostTraits, 'name'>;

/** What is kept: lessons, and the product that the answers came from. */
type Kept = Lesson & { readonly product?: string };

/** The traits of one host, remembered for a week. A wrong one costs time, never correctness. */
export interface Traits {
  readonly now: HostTraits;
  /** In this run it has answered so quickly that one more request costs nothing. */
  readonly isNear: boolean;
  learn(lesson: Lesson): void;
  /** Told how long it took to look whether something is there. */
  lookedIn(ms: number): void;
  /** Looks who answers, where the host's name doesn't tell and no answer did before. */
  recognise(answer: HttpResponse): void;
}

const TABLE = 'host-traits';
/** A registry that keeps what it has in a cloud's storage takes longer, wherever it is. */
const NEAR_MS = 10;
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
  const byName = profileOf(host);
  let kept: Kept | undefined;
  let quickestLookMs = Number.POSITIVE_INFINITY;
  const lessons = (): Kept => {
    kept ??= parse(hints?.get(TABLE, host));
    return kept;
  };
  const keep = (more: Kept): void => {
    const known = lessons() as Readonly<Record<string, unknown>>;
    if (Object.entries(more).every(([name, value]) => known[name] === value)) return;
    kept = { ...known, ...more };
    hints?.set(TABLE, host, { ...kept, learnedAtMs: Date.now() } as Json);
  };
  return {
    get now() {
      const { product = '', ...learned } = lessons();
      return { ...(byName ?? productNamed(product) ?? UNKNOWN), ...learned };
    },
    get isNear() {
      return quickestLookMs < NEAR_MS;
    },
    learn: keep,
    lookedIn(ms) {
      quickestLookMs = Math.min(quickestLookMs, ms);
    },
    recognise(answer) {
      if (byName !== undefined || lessons().product !== undefined) return;
      const product = productOf({
        server: answer.header('server'),
        challenges: parseChallenges(answer.headers('www-authenticate')),
      })?.name;
      if (product !== undefined) keep({ product });
    },
  };
}

/** A hint was written by anybody, any time: only fields that look right are taken. */
function parse(value: unknown): Kept {
  if (!isJsonObject(value)) return {};
  const ageMs = Date.now() - Number(value.learnedAtMs);
  if (!(ageMs >= 0 && ageMs < LIFE_MS)) return {};
  const flags = FLAGS.filter((name) => typeof value[name] === 'boolean');
  const max = value.maxBodyBytes;
  const product = typeof value.product === 'string' ? productNamed(value.product) : undefined;
  return {
    ...(product === undefined ? {} : { product: product.name }),
    ...Object.fromEntries(flags.map((name) => [name, value[name]])),
    ...(typeof max === 'number' && Number.isSafeInteger(max) && max > 0
      ? { maxBodyBytes: max }
      : {}),
  };
}
