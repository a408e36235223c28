import type { Signalled } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import type { BuildEngine, BuildRequest, EngineName, Suitability } from './engine.ts';

/** The engine that does a build. */
export interface ChosenEngine {
  readonly engine: BuildEngine;
  readonly version?: string;
  /** why those that are here and come before it can't do it */
  readonly instead?: string;
}

/** What was found out in the middle of a build: why an engine can't go on with it. */
export type GivenUp = ReadonlyMap<EngineName, Refusal>;

type Refusal = Extract<Suitability, { readonly can: false }>;

/**
 * The engine that was asked for, or with `auto` the first that can do the build.
 *
 * @param engines in the order in which they are asked
 * @throws SlipwayError `NO_ENGINE`, and what a probe throws
 */
export async function chooseEngine(
  engines: readonly BuildEngine[],
  wanted: EngineName | 'auto',
  request: BuildRequest,
  { givenUp, ...options }: Signalled & { readonly givenUp?: GivenUp } = {},
): Promise<ChosenEngine> {
  const refusals: (Refusal & { readonly name: EngineName })[] = [];
  for (const engine of engines) {
    if (wanted !== 'auto' && engine.name !== wanted) continue;
    const found = givenUp?.get(engine.name) ?? (await engine.probe(request, options));
    if (!found.can) {
      refusals.push({ ...found, name: engine.name });
      continue;
    }
    const reasons = refusals
      .filter(({ isAbsent }) => isAbsent !== true)
      .map(({ name, reason }) => `not ${name}: ${reason}`);
    return {
      engine,
      ...(found.version === undefined ? {} : { version: found.version }),
      ...(reasons.length === 0 ? {} : { instead: reasons.join('; ') }),
    };
  }
  const [only] = refusals;
  if (wanted !== 'auto' && only !== undefined) {
    throw new SlipwayError('NO_ENGINE', `${wanted} can't do this build: ${only.reason}`, {
      hint: only.hint ?? 'choose another engine, or leave --engine out',
    });
  }
  throw noEngine(refusals);
}

function noEngine(refusals: readonly (Refusal & { readonly name: EngineName })[]): SlipwayError {
  const here = refusals.filter(({ isAbsent }) => isAbsent !== true);
  const absent = refusals.filter(({ isAbsent }) => isAbsent === true);
  const reasons = here.map(({ name, reason }) => `not ${name}: ${reason}`);
  const hints = here.flatMap(({ hint }) => hint ?? []);
  return new SlipwayError(
    'NO_ENGINE',
    `no engine can do this build: ${[
      ...reasons,
      ...(absent.length === 0 ? [] : [`not found: ${absent.map(({ name }) => name).join(', ')}`]),
    ].join('; ')}`,
    {
      hint:
        hints[0] ??
        'install docker with buildx, podman or buildah, or set DOCKER_HOST or BUILDKIT_HOST to an engine elsewhere',
    },
  );
}
