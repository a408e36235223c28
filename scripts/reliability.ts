/**
 * Lets slipway, and the peers that are installed, publish through every fault of the catalogue and
 * writes what came out to docs/reliability.md.
 *
 *     npm run docs:reliability [-- ROWS]    only rows whose title holds ROWS, printed only
 *
 * CRANE_VERSION says which crane it is, for builds that don't know.
 */
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { startRegistry } from '../src/server/registry.ts';
import { CATALOGUE } from '../test/faults/catalogue.ts';
import { type Client, programs } from '../test/faults/clients.ts';
import { makeImage } from '../test/faults/image.ts';
import type { Row } from '../test/faults/row.ts';
import { type Trial, tryRow } from '../test/faults/trial.ts';
import { startDockerRegistry } from '../test/rig/docker-registry.ts';
import { atEnd, tempDir } from '../test/rig/lifetime.ts';
import { ownerWithEnd } from '../test/rig/owner.ts';
import { missing, mustRun } from '../test/rig/programs.ts';

const LIMIT_MS = 60_000;
/** Most of a run is waiting; more at once would measure the machine. */
const AT_ONCE = 4;
const FILE = path.join(path.dirname(import.meta.dirname), 'docs/reliability.md');

interface Column {
  readonly title: string;
  readonly client: Client;
  readonly upstream: string;
}

function cell(row: Row, { verdict, seconds, secondsAfterStrike, strikes }: Trial): string {
  if (strikes === 0 && row.mayNotStrike !== true) return '–';
  if (row.ends !== 'ok' && verdict === 'fail') {
    const time = secondsAfterStrike < 2 ? '' : ` ${secondsAfterStrike.toFixed(0)} s`;
    return `refused${time}`;
  }
  const time = seconds < 2 || verdict === 'hang' ? '' : ` ${seconds.toFixed(0)} s`;
  return verdict === 'ok' ? `ok${time}` : `**${verdict}**${time}`;
}

function render(
  columns: readonly Column[],
  lines: ReadonlyMap<Row, readonly string[]>,
  versions: readonly string[],
): string {
  const table = [...lines].map(([{ title }, cells]) => `| ${title} | ${cells.join(' | ')} |`);
  const counts = columns.map((_, at) => {
    const good = [...lines.values()].filter((cells) => /^(?:ok|refused)/.test(cells[at] ?? ''));
    return `${good.length} of ${[...lines.values()].filter((cells) => cells[at] !== '–').length}`;
  });
  const [cpu] = os.cpus();
  return `# Reliability

Each client published an image with layers of 20 MiB, 1 MiB and 4 KiB through a proxy that does to
requests what the left column says, before an empty repository of a registry that works. Afterwards
every byte that the registry holds was read back and hashed: not what a client says counts, but what
is there. One run each, ${new Date().toISOString().slice(0, 10)}, ${os.cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${os.type()} ${os.release()},
load average ${os.loadavg()[2]?.toFixed(0)}: seconds tell an order, not a race.

${versions.map((version) => `- ${version}`).join('\n')}

\`ok\`: done, and the image is there · \`refused\`: the registry refused for good, and the client
said so · \`fail\`: an error, and the image is not there · \`false-fail\`: an error, although the
image is there · \`lied\`: no error, and the image is not there · \`hang\`: still running after
${LIMIT_MS / 1000} seconds · \`–\`: the client never sends what the fault is about. Seconds are told from two on;
for refusals they count from the first refused request. slipway ran with \`--idle-timeout 5\`;
everything else is each client's default.

| fault | ${columns.map(({ title }) => title).join(' | ')} |
|---|${columns.map(() => '---').join('|')}|
${table.join('\n')}
| **ended as it should** | ${counts.join(' | ')} |

Made by \`npm run docs:reliability\` from \`test/faults/catalogue.ts\`. \`npm test\` holds slipway to
all rows, before both registries.
`;
}

async function runAll(columns: readonly Column[], rows: readonly Row[]): Promise<void> {
  const { owner, end } = ownerWithEnd();
  try {
    const image = await makeImage(owner);
    const lines = new Map<Row, string[]>(rows.map((row) => [row, []]));
    const queue = rows.flatMap((row, line) =>
      columns.map((column, at) => ({ row, column, at, repository: `row/${line}-${at}` })),
    );
    const worker = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const { row, column, at, repository } = next;
        const one = ownerWithEnd();
        const { upstream, client, title } = column;
        const applies = row.only === undefined || title.endsWith(row.only);
        const trial = applies
          ? await tryRow(one.owner, row, client, {
              upstream,
              image,
              repository,
              limitMs: LIMIT_MS,
            }).finally(one.end)
          : undefined;
        const text = trial === undefined ? '–' : cell(row, trial);
        const cells = lines.get(row) ?? [];
        cells[at] = text;
        process.stderr.write(`${row.title}: ${title}: ${text}\n`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const versions = await Promise.all(
      [...new Map(columns.map(({ client }) => [client.name.split(' ')[0] ?? '', client]))].map(
        async ([name, client]) => `${name} ${await client.version()}`,
      ),
    );
    const registry = await mustRun('docker-registry', ['--version']);
    const all = [
      ...versions,
      `Node ${process.versions.node}`,
      `docker-registry ${registry.split(' ').at(-1)}`,
    ];
    const text = render(columns, lines, all);
    if (rows.length === CATALOGUE.length) await writeFile(FILE, text);
    else process.stdout.write(text);
  } finally {
    await end();
  }
}

const absent = missing('docker-registry', 'tar', 'prlimit');
if (absent !== false) throw new Error(absent);
const wanted = process.argv[2] ?? '';
const { owner, end } = ownerWithEnd();
try {
  const docker = (await startDockerRegistry(owner)).host;
  const registry = await startRegistry({ sparse: false });
  atEnd(owner, () => registry.close());
  const [ours, ...peers] = programs(await tempDir(owner));
  if (ours === undefined) throw new Error('slipway is not among the clients');
  const columns: Column[] = [
    { title: 'slipway, docker-registry', client: ours, upstream: docker },
    { title: 'slipway, embedded', client: ours, upstream: registry.host },
    ...peers.map((client) => ({
      title: `${client.name}`,
      client,
      upstream: docker,
    })),
  ];
  await runAll(
    columns,
    CATALOGUE.filter(({ title }) => title.includes(wanted)),
  );
} finally {
  await end();
}
