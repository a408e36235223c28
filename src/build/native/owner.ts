import { collect } from '../../bytes/stream.ts';
import { SlipwayError } from '../../errors.ts';
import { quoted, shownPlace, type Where } from '../dockerfile/text.ts';
import type { DirectoryNode } from './nodes.ts';
import { follow } from './walk.ts';

/** Numbers of owner and group. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const MAX_BYTES = 16 * 1024 * 1024;
const MAX_ID = 2 ** 32 - 2;

/**
 * Who `USER[:GROUP]` is. Names are looked up in the image; a number without a group is its own
 * group, a name without one has the group of its entry, as BuildKit has it.
 *
 * @param tree the image so far; read only for names
 * @throws SlipwayError `CONFIG_INVALID` for names that the image doesn't know
 */
export async function ownerOf(
  text: string,
  tree: () => Promise<DirectoryNode>,
  where: Where,
): Promise<Owner> {
  const [user = '', group] = text.split(':', 2);
  const found = user === '' ? { uid: 0, gid: 0 } : await userOf(user, tree, where);
  if (group === undefined || group === '') return found;
  const gid = numberOf(group) ?? (await groupOf(group, tree, where));
  return { uid: found.uid, gid };
}

async function userOf(
  user: string,
  tree: () => Promise<DirectoryNode>,
  where: Where,
): Promise<Owner> {
  const uid = numberOf(user);
  if (uid !== undefined) return { uid, gid: uid };
  for (const fields of await linesOf(tree, 'passwd')) {
    const [uid, gid] = [numberOf(fields[2] ?? ''), numberOf(fields[3] ?? '')];
    if (fields[0] === user && uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw unknown('user', user, 'passwd', where);
}

async function groupOf(
  group: string,
  tree: () => Promise<DirectoryNode>,
  where: Where,
): Promise<number> {
  for (const fields of await linesOf(tree, 'group')) {
    const gid = numberOf(fields[2] ?? '');
    if (fields[0] === group && gid !== undefined) return gid;
  }
  throw unknown('group', group, 'group', where);
}

function numberOf(text: string): number | undefined {
  const number = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return number <= MAX_ID ? number : undefined;
}

async function linesOf(
  tree: () => Promise<DirectoryNode>,
  name: string,
): Promise<readonly (readonly string[])[]> {
  const what = `the image's /etc/${name}`;
  const { node } = await follow(await tree(), ['etc', name], { what });
  if (node?.kind !== 'file') return [];
  const text = (await collect(node.open(), MAX_BYTES, what)).toString('utf8');
  return text.split('\n').map((line) => line.trim().split(':'));
}

function unknown(kind: string, name: string, file: string, where: Where): SlipwayError {
  return new SlipwayError(
    'CONFIG_INVALID',
    `${shownPlace(where)}: the image has no ${kind} ${quoted(name)}`,
    { hint: `its /etc/${file} doesn't name it; write the number instead` },
  );
}
