import type { BuildRequest } from '../engine.ts';

/** The values of arguments that a program is told by name only: others on this machine see names. */
export function argumentEnvironment({ args }: BuildRequest): Readonly<Record<string, string>> {
  const hidden = args.filter(({ isFromEnvironment }) => isFromEnvironment);
  return Object.fromEntries(hidden.map(({ name, value }) => [name, value]));
}
