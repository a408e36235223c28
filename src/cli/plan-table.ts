import type { Plan, PlannedTag } from '../publish/plan.ts';
import { type Output, safeJson, safeLine } from './output.ts';
import { short } from './report/plain.ts';
import { formatTable } from './table.ts';
import { formatBytes } from './units.ts';

/** Prints a plan to standard output. */
export function showPlan(output: Output, plan: Plan, format: 'text' | 'json' | undefined): void {
  if (format === 'json') {
    output.out(`${safeJson(plan, 2)}\n`);
    return;
  }
  const rows = plan.destinations.flatMap(({ ref, tags, pieces, compress }) => [
    ...compress.map(({ diffId, size }) => [
      ref,
      'layer',
      short(diffId),
      formatBytes(size),
      'compress, then upload',
    ]),
    ...pieces.map(({ kind, digest, size, action, ...piece }) => [
      ref,
      kind,
      short(digest),
      formatBytes(size),
      action === 'mount' ? `mount from ${piece.from}` : action,
    ]),
    ...tags.map((tag) => [ref, 'tag', tag.name, '', tagMove(tag)]),
  ]);
  const safe = rows.map((cells) => cells.map((cell) => safeLine(cell)));
  output.out(formatTable(['DESTINATION', 'KIND', 'WHAT', 'SIZE', 'ACTION'], safe));
  const { upload, mount, present, compress } = plan.totals;
  const totals = [
    `${formatBytes(upload)} to upload`,
    `${formatBytes(mount)} to mount`,
    `${formatBytes(present)} present`,
    ...(compress === 0 ? [] : [`${formatBytes(compress)} of raw layers to compress`]),
  ];
  output.out(`total: ${totals.join(', ')}\n`);
}

function tagMove({ from, to }: PlannedTag): string {
  const target = to ?? 'what is known after compressing';
  if (from === undefined) return `new: ${target}`;
  return from === to ? `stays at ${from}` : `moves from ${from} to ${target}`;
}
