import { SlipwayError } from '../../errors.ts';
import type { ParsedDockerfile } from '../dockerfile/dockerfile.ts';
import { nearest } from '../dockerfile/nearest.ts';
import { quoted, syntaxError, type Where } from '../dockerfile/text.ts';

/** The stage before `number` that FROM names; of several with one name the last. */
export function earlierStage(
  { stages }: ParsedDockerfile,
  name: string,
  number: number,
): number | undefined {
  const lower = name.toLowerCase();
  const found = stages.slice(0, number).findLastIndex(({ from }) => from.name === lower);
  return found < 0 ? undefined : found;
}

/**
 * The stage that `--from` means, by name or number; undefined if it is none, and so an image.
 *
 * @throws SlipwayError `CONFIG_INVALID` for a number that no stage has
 */
export function stageNumber(
  { stages }: ParsedDockerfile,
  name: string,
  where: Where,
): number | undefined {
  const lower = name.toLowerCase();
  const found = stages.findLastIndex(({ from }) => from.name === lower);
  if (found >= 0) return found;
  if (!/^[0-9]{1,9}$/.test(name)) return undefined;
  if (Number(name) < stages.length) return Number(name);
  throw syntaxError(where, `there is no stage ${name}`, `stages are 0 to ${stages.length - 1}`);
}

/**
 * The stage that `--target` names, the last one without it.
 *
 * @throws SlipwayError `USAGE` if there is none
 */
export function targetStage(
  { stages, file }: ParsedDockerfile,
  target: string | undefined,
): number {
  if (target === undefined || target === '') return stages.length - 1;
  const found = stages.findLastIndex(({ from }) => from.name === target.toLowerCase());
  if (found >= 0) return found;
  if (/^[0-9]{1,9}$/.test(target) && Number(target) < stages.length) return Number(target);
  const names = stages.flatMap(({ from }) => from.name ?? []);
  const near = nearest(target.toLowerCase(), names);
  throw new SlipwayError('USAGE', `${file} has no stage ${quoted(target)}`, {
    hint:
      near !== undefined
        ? `is ${near} meant?`
        : names.length === 0
          ? 'no stage has a name: FROM IMAGE AS NAME gives one'
          : `it has ${names.join(', ')}`,
  });
}
