import { formatPlatform, hostPlatform, type Platform } from '../../oci/platform.ts';
import type { ParsedDockerfile } from '../dockerfile/dockerfile.ts';
import { expanderOf } from './expander.ts';

/** Names that need no ARG (docs.docker.com/reference/dockerfile, "Predefined ARGs"). */
const PREDEFINED =
  /^(?:(?:https?|ftp|no|all)_proxy|(?:HTTPS?|FTP|NO|ALL)_PROXY|SOURCE_DATE_EPOCH|BUILDKIT_.*|(?:BUILD|TARGET)(?:PLATFORM|OS|ARCH|VARIANT))$/;

/**
 * What FROM can use: the platforms of host and target, and the ARGs before the first FROM.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function globalsOf(
  dockerfile: ParsedDockerfile,
  args: ReadonlyMap<string, string>,
  platform: Platform,
): ReadonlyMap<string, string> {
  const globals = new Map([
    ...platformArgs('BUILD', hostPlatform()),
    ...platformArgs('TARGET', platform),
  ]);
  for (const { args: declared, where } of dockerfile.globals) {
    for (const { name, value } of declared) {
      const expand = expanderOf(globals, dockerfile.escapeWith, where);
      const usual = value && expand.word(value);
      const found = args.get(name) ?? usual;
      // As BuildKit has it, ARG TARGETARCH before FROM takes the platform away.
      if (found === undefined) globals.delete(name);
      else globals.set(name, found);
    }
  }
  return globals;
}

/** The given build arguments that no ARG takes. */
export function unusedArgs(
  { globals, stages }: ParsedDockerfile,
  args: ReadonlyMap<string, string>,
): readonly string[] {
  const declared = new Set(
    [...globals, ...stages.flatMap(({ instructions }) => instructions)].flatMap((instruction) =>
      instruction.keyword === 'ARG' ? instruction.args.map(({ name }) => name) : [],
    ),
  );
  return [...args.keys()].filter((name) => !declared.has(name) && !PREDEFINED.test(name));
}

function platformArgs(prefix: string, platform: Platform): readonly (readonly [string, string])[] {
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ];
}
