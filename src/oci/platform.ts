import { SlipwayError } from '../errors.ts';
import { type JsonObject, textField } from './json.ts';

/** Where an image runs (image-spec, image-index.md "platform"). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}

/** The keys of a platform in a document. */
export const PLATFORM_KEYS = [
  'os',
  'architecture',
  'variant',
  'os.version',
  'os.features',
] as const;

const PART = /^[A-Za-z0-9_.-]+$/;

/** Operating systems and architectures that a single word may name (Go's lists). */
const KNOWN_OS = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos'.split(
    ' ',
  ),
);
const KNOWN_ARCHITECTURE = new Set(
  '386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm'.split(
    ' ',
  ),
);

/** Other names for architectures, with the variant that they imply. */
const ARCHITECTURE_ALIAS: ReadonlyMap<string, readonly [string, string?]> = new Map([
  ['i386', ['386']],
  ['x86_64', ['amd64']],
  ['x86-64', ['amd64']],
  ['aarch64', ['arm64']],
  ['armhf', ['arm', 'v7']],
  ['armel', ['arm', 'v6']],
] as const);

/** What `process.platform` and `process.arch` are called in images. */
const NODE_OS: ReadonlyMap<string, string> = new Map([
  ['win32', 'windows'],
  ['sunos', 'solaris'],
]);
const NODE_ARCHITECTURE: ReadonlyMap<string, string> = new Map([
  ['x64', 'amd64'],
  ['ia32', '386'],
  ['mipsel', 'mipsle'],
  // Node runs on little-endian POWER only, but for AIX.
  ['ppc64', process.platform === 'aix' ? 'ppc64' : 'ppc64le'],
]);

/** The platform of this machine. Images for macOS and Windows machines run in a Linux engine. */
export function hostPlatform(): Platform {
  const os = NODE_OS.get(process.platform) ?? process.platform;
  const architecture = NODE_ARCHITECTURE.get(process.arch) ?? process.arch;
  return normalizePlatform({
    os: os === 'windows' || os === 'darwin' ? 'linux' : os,
    architecture,
  });
}

/**
 * Parses `os`, `arch`, `os/arch` or `os/arch/variant`; missing parts are the host's, `host` is all
 * of the host's. Rules and aliases are containerd's (github.com/containerd/platforms).
 *
 * @throws SlipwayError `REFERENCE_INVALID`
 */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  if (text === 'host') return host;
  const parts = text.split('/');
  if (parts.length > 3) throw invalid(text);
  const [first = '', second, third] = parts;
  const os = /^([^()]+)(?:\(([^()]*)\))?$/.exec(first);
  const osName = os?.[1] ?? '';
  if (!PART.test(osName) || parts.slice(1).some((part) => !PART.test(part))) throw invalid(text);
  const osDetails = os?.[2] === undefined ? {} : parseOsDetails(os[2], text);

  if (second === undefined) {
    const osOnly = normalizeOs(osName);
    if (KNOWN_OS.has(osOnly)) {
      return normalizePlatform({ ...host, os: osOnly, ...osDetails });
    }
    const alone = normalizePlatform({ os: host.os, architecture: osName });
    if (!KNOWN_ARCHITECTURE.has(alone.architecture)) throw invalid(text);
    return alone;
  }
  return normalizePlatform({
    os: osName,
    architecture: second,
    ...(third === undefined ? {} : { variant: third }),
    ...osDetails,
  });
}

/** `version+feature+feature`, where a `+` or `%` of the version itself is percent-encoded. */
function parseOsDetails(details: string, text: string): Partial<Platform> {
  let parts: string[];
  try {
    parts = details.split('+').map(decodeURIComponent);
  } catch {
    throw invalid(text);
  }
  const [version = '', ...features] = parts;
  const named = features.filter((feature) => feature !== '');
  return {
    ...(version === '' ? {} : { 'os.version': version }),
    ...(named.length === 0 ? {} : { 'os.features': named }),
  };
}

/** The one spelling of a platform: lower case, aliases resolved, implicit variants left out. */
export function normalizePlatform(platform: Platform): Platform {
  const [architecture, variant] = normalizeArchitecture(
    platform.architecture.toLowerCase(),
    platform.variant?.toLowerCase() ?? '',
  );
  const normalized: Platform = { os: normalizeOs(platform.os), architecture };
  return {
    ...normalized,
    ...(variant === '' ? {} : { variant }),
    ...(platform['os.version'] ? { 'os.version': platform['os.version'] } : {}),
    ...(platform['os.features']?.length ? { 'os.features': platform['os.features'] } : {}),
  };
}

function normalizeOs(os: string): string {
  const lower = os.toLowerCase();
  return lower === 'macos' ? 'darwin' : lower;
}

function normalizeArchitecture(name: string, variant: string): [string, string] {
  const alias = ARCHITECTURE_ALIAS.get(name);
  const architecture = alias?.[0] ?? name;
  let version = alias?.[1] ?? variant;
  if (/^[0-9]/.test(version) && architecture.startsWith('arm')) version = `v${version}`;
  if (architecture === 'arm64') version = version.replace(/^(v[0-9]+)\.0$/, '$1');
  if (architecture === 'arm64' && version === 'v8') version = '';
  if (architecture === 'arm' && version === '') version = 'v7';
  if (architecture === 'amd64' && version === 'v1') version = '';
  return [architecture, version];
}

/** `os/arch[/variant]`, for people and for `--platform`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/**
 * True if an image for `available` is what somebody means who asks for `wanted`. Versions and
 * features of the operating system count where `wanted` names them: the image's version must begin
 * with the wanted one, and it must need no feature beyond the wanted ones.
 */
export function matchesPlatform(wanted: Platform, available: Platform): boolean {
  const a = normalizePlatform(wanted);
  const b = normalizePlatform(available);
  if (a.os !== b.os || a.architecture !== b.architecture) return false;
  if ((a.variant ?? '') !== (b.variant ?? '')) return false;
  const features = a['os.features'];
  if (features && b['os.features']?.some((feature) => !features.includes(feature))) return false;
  const version = a['os.version'];
  if (version === undefined || b['os.version'] === undefined) return true;
  return b['os.version'] === version || b['os.version'].startsWith(`${version}.`);
}

/** BuildKit marks index entries that are attestations, not images, as `unknown/unknown`. */
export function isUnknownPlatform(platform: Platform): boolean {
  return platform.os === 'unknown' && platform.architecture === 'unknown';
}

/**
 * The platform that an image config or a descriptor's JSON states, if it states one.
 *
 * @param what names the place in errors
 * @throws SlipwayError `CONTENT_INVALID` for values of a wrong kind
 */
export function platformOfJson(json: JsonObject, what: string): Platform | undefined {
  const os = textField(json, 'os', what);
  const architecture = textField(json, 'architecture', what);
  const variant = textField(json, 'variant', what);
  const version = textField(json, 'os.version', what);
  const features = json['os.features'] ?? [];
  if (!Array.isArray(features) || !features.every((feature) => typeof feature === 'string')) {
    throw new SlipwayError(
      'CONTENT_INVALID',
      `${what} has os.features that are no list of strings`,
    );
  }
  if (os === undefined || architecture === undefined) return undefined;
  return {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(version === undefined ? {} : { 'os.version': version }),
    ...(features.length === 0 ? {} : { 'os.features': features }),
  };
}

function invalid(text: string): SlipwayError {
  return new SlipwayError('REFERENCE_INVALID', `invalid platform: ${JSON.stringify(text)}`, {
    hint: 'write os/arch or os/arch/variant, for example linux/arm64 or linux/arm/v7',
  });
}
