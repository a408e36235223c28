import { SlipwayError } from '../errors.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../oci/json.ts';
import type { Condition } from './conditions.ts';
import type { Plan, PlannedDestination, PlannedPiece, PlannedTag } from './plan.ts';

/** A plan, and the command line that it was made for. */
export interface PlanFile {
  readonly command: readonly string[];
  readonly plan: Plan;
}

const VERSION = 1;
/** More than any plan that was made by us. */
export const MAX_PLAN_BYTES = 64 * 1024 * 1024;

/**
 * The document for `--plan-out`.
 *
 * @throws SlipwayError `USAGE` for a plan with digests that aren't known yet
 */
export function encodePlan({ command, plan }: PlanFile): string {
  if (!plan.isResolved) {
    throw new SlipwayError('USAGE', 'this plan has layers that are not compressed yet', {
      hint: 'add --resolve: it compresses into the local store, so that every digest is known',
    });
  }
  return `${JSON.stringify({ version: VERSION, command, plan }, null, 2)}\n`;
}

/**
 * Reads what {@link encodePlan} wrote.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function parsePlan(bytes: Uint8Array): PlanFile {
  const json = parseJsonObject(bytes, 'the plan', MAX_PLAN_BYTES);
  if (json.version !== VERSION) throw invalid(`is not of version ${VERSION}`);
  const { command, plan } = json;
  if (!isTexts(command) || !isJsonObject(plan)) throw invalid('has no command or no plan');
  return {
    command,
    plan: {
      isResolved: true,
      destinations: list(plan.destinations).map(parseDestination),
      totals: { upload: 0, mount: 0, present: 0, compress: 0 },
    },
  };
}

function parseDestination(json: JsonObject): PlannedDestination {
  const { ref, digest } = json;
  if (typeof ref !== 'string' || !isDigest(digest))
    throw invalid('has a destination without digest');
  return {
    ref,
    digest,
    tags: list(json.tags).map(({ name, from }): PlannedTag => {
      if (typeof name !== 'string' || (from !== undefined && !isDigest(from))) {
        throw invalid('has a tag that does not parse');
      }
      return { name, to: digest, ...(from === undefined ? {} : { from }) };
    }),
    pieces: list(json.pieces).map(parsePiece),
    compress: [],
  };
}

function parsePiece({ kind, digest, size, action }: JsonObject): PlannedPiece {
  const isKind = kind === 'blob' || kind === 'manifest';
  const isAction = action === 'present' || action === 'mount' || action === 'upload';
  if (!isKind || !isAction || !isDigest(digest) || typeof size !== 'number') {
    throw invalid('has a piece that does not parse');
  }
  return { kind, digest, size, action };
}

function list(value: unknown): readonly JsonObject[] {
  if (!Array.isArray(value) || !value.every(isJsonObject)) throw invalid('lacks a list');
  return value;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function invalid(problem: string): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', `the plan ${problem}`, {
    hint: 'plans are written by --plan-out',
  });
}

/**
 * Makes sure that what would happen now is what was planned.
 *
 * @throws SlipwayError `CONDITION_FAILED` if an image is another one, a tag moved, or content that
 * was there is gone
 */
export function checkPlan(planned: Plan, now: Plan): void {
  if (planned.destinations.length !== now.destinations.length) throw changed('other destinations');
  for (const [at, before] of planned.destinations.entries()) {
    const after = now.destinations[at] as PlannedDestination;
    if (before.ref !== after.ref) throw changed(`${after.ref} instead of ${before.ref}`);
    if (before.digest !== after.digest) {
      throw changed(`${before.ref} would get ${after.digest}, and ${before.digest} was planned`);
    }
    for (const { name, from } of before.tags) {
      const current = after.tags.find((tag) => tag.name === name)?.from;
      if (current === from || current === before.digest) continue;
      throw changed(
        `${before.ref}:${name} is ${current ?? 'not there'}, and was ${from ?? 'not there'}`,
      );
    }
    const wasPresent = new Set(
      before.pieces.filter(({ action }) => action === 'present').map(({ digest }) => digest),
    );
    const gone = after.pieces.find(
      ({ digest, action }) => action !== 'present' && wasPresent.has(digest),
    );
    if (gone !== undefined) throw changed(`${gone.digest} is gone from ${before.ref}`);
  }
}

/** The condition that tags are as they were planned. */
export function plannedTags({ destinations }: Plan): Condition {
  const tags = new Map<string, Map<string, Digest | undefined>>();
  for (const { ref, tags: planned } of destinations) {
    const known = tags.get(ref) ?? new Map();
    for (const { name, from } of planned) known.set(name, from);
    tags.set(ref, known);
  }
  return { kind: 'planned', tags };
}

function changed(what: string): SlipwayError {
  return new SlipwayError('CONDITION_FAILED', `the plan no longer fits: ${what}`, {
    hint: 'nothing was sent; make a new plan',
  });
}
