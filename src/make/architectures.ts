import { machine } from 'node:os';
import { SlipwayError } from '../errors.ts';
import type { Platform } from '../oci/platform.ts';

/** An architecture as this dialect, the kernel and image indexes call it. */
export interface Architecture {
  /** in tags */
  readonly name: string;
  /** as `uname -m` says it */
  readonly machine: string;
  readonly platform: Platform;
}

function row(name: string, machineName: string, architecture: string, variant?: string) {
  const platform = { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
  return { name, machine: machineName, platform };
}

/** All that there are, in the order of lists. */
export const ARCHITECTURES: readonly Architecture[] = [
  row('x86_64', 'x86_64', 'amd64'),
  row('aarch64', 'aarch64', 'arm64'),
  row('armv7l', 'armv7l', 'arm', 'v7'),
  row('armhf', 'armv6l', 'arm', 'v6'),
  row('i386', 'i386', '386'),
  row('loong64', 'loongarch64', 'loong64'),
  row('ppc64le', 'ppc64le', 'ppc64le'),
  row('riscv64', 'riscv64', 'riscv64'),
  row('s390x', 's390x', 's390x'),
];

/** What a list is made of, where nothing else is said. */
export const USUAL_ARCHITECTURES = ['x86_64', 'aarch64', 'armv7l', 'armhf'] as const;

/** The word that stands for every architecture that is present. */
export const ALL = 'all';

/** The architecture of a name in tags. */
export function findArchitecture(name: string): Architecture | undefined {
  return ARCHITECTURES.find((each) => each.name === name);
}

/**
 * The architecture of a name in tags.
 *
 * @throws SlipwayError `USAGE`
 */
export function architectureNamed(name: string): Architecture {
  const found = findArchitecture(name);
  if (found !== undefined) return found;
  throw new SlipwayError('USAGE', `${JSON.stringify(name)} is no architecture that is known`, {
    hint: `there are ${ARCHITECTURES.map((each) => each.name).join(', ')}`,
  });
}

/** What this machine is called in tags; what the table doesn't know keeps the kernel's name. */
export function hostArchitecture(machineName: string = machine()): string {
  if (/^i[3-6]86$/.test(machineName)) return 'i386';
  // macOS and Windows have names of their own.
  const name = { arm64: 'aarch64', x64: 'x86_64', amd64: 'x86_64' }[machineName.toLowerCase()];
  return name ?? ARCHITECTURES.find((each) => each.machine === machineName)?.name ?? machineName;
}

/** The architecture that a tag begins with, the longest that fits. */
export function architectureOfTag(tag: string): Architecture | undefined {
  return ARCHITECTURES.find(({ name }) => tag === name || tag.startsWith(`${name}_`));
}
