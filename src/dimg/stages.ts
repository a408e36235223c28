import {
  type DockerDirectives,
  type GitMapping,
  type ImageConfig,
  type ImportRule,
  type ShellStage,
  USER_STAGES,
  type UserStage,
} from './config.ts';
import type { Git } from './git.ts';
import { checksumOfFiles, checksumOfMapping, mappedChanges, mappingChecksum } from './git-files.ts';
import { checksum, type SignaturePart } from './signature.ts';

/** What a stage does to the image below it. */
export type StageWork =
  | { readonly kind: 'from' }
  | { readonly kind: 'shell'; readonly commands: readonly string[] }
  | { readonly kind: 'git' }
  | { readonly kind: 'import'; readonly rules: readonly ImportRule[] }
  | { readonly kind: 'docker'; readonly directives: DockerDirectives };

/** A stage of an image that isn't empty. */
export interface Stage {
  readonly name: string;
  readonly work: StageWork;
  /**
   * What its signature is made of, beside the stages below; undefined if there is nothing to do.
   *
   * @param commits at which the files of each mapping are in the image so far
   */
  dependencies(commits: MappedCommits): Promise<readonly SignaturePart[] | undefined>;
}

/** Commits by the checksums of mappings. */
export type MappedCommits = ReadonlyMap<string, string>;

type GitOf = StageFacts['gitOf'];

/** What stages are made of beside the configuration. */
export interface StageFacts {
  /** the repository of a mapping */
  gitOf(mapping: GitMapping): Git;
  /** signatures of the last stages of images that this one is made of, by kind and name */
  signatureOf(kind: 'dimg' | 'artifact', name: string): string;
}

/** All names of stages, in their order. */
export const STAGE_NAMES: readonly string[] = [
  ...['from', 'before_install', 'before_install_artifact'],
  ...['git_archive', 'git_pre_install_patch', 'install', 'git_post_install_patch'],
  ...['after_install_artifact', 'before_setup', 'before_setup_artifact'],
  ...['git_pre_setup_patch', 'setup', 'git_post_setup_patch', 'after_setup_artifact'],
  ...['git_latest_patch', 'docker_instructions'],
];

/** A patch that changes so many files is kept below the last stages, so that these stay small. */
const LARGE_PATCH_FILES = 1000;

const NAMES: Readonly<Record<UserStage, string>> = {
  beforeInstall: 'before_install',
  install: 'install',
  beforeSetup: 'before_setup',
  setup: 'setup',
};

/** The stages of an image in their order; those that nothing stands for are left out. */
export function stagesOf(image: ImageConfig, facts: StageFacts): readonly Stage[] {
  const { gitOf } = facts;
  const mappings = image.git;
  const shell = (stage: UserStage) => shellStage(image, stage, gitOf);
  const imports = (when: 'before' | 'after', stage: 'install' | 'setup') => {
    const rules = image.imports.filter((rule) => rule.when === when && rule.stage === stage);
    return importStage(`${when}_${stage}_artifact`, rules, facts);
  };
  /** Brings the files to this commit before a stage that is going to see them. */
  const patchBefore = (name: string, stage: UserStage): readonly Stage[] =>
    shell(stage).map(({ dependencies }) => ({ name, work: { kind: 'git' }, dependencies }));
  const git_ = (stages: readonly Stage[]) => (mappings.length === 0 ? [] : stages);
  return [
    fromStage(image, facts),
    ...shell('beforeInstall'),
    ...imports('before', 'install'),
    ...git_([archiveStage(mappings)]),
    ...git_(patchBefore('git_pre_install_patch', 'install')),
    ...shell('install'),
    ...git_(patchBefore('git_post_install_patch', 'beforeSetup')),
    ...imports('after', 'install'),
    ...shell('beforeSetup'),
    ...imports('before', 'setup'),
    ...git_(patchBefore('git_pre_setup_patch', 'setup')),
    ...shell('setup'),
    ...git_([largePatchStage(gitOf, mappings)]),
    ...imports('after', 'setup'),
    ...git_([latestPatchStage(gitOf, mappings)]),
    ...dockerStage(image),
  ];
}

function fromStage({ base, fromCacheVersion, mounts }: ImageConfig, facts: StageFacts): Stage {
  const image = base.kind === 'from' ? base.image : facts.signatureOf(base.kind, base.name);
  const list = (paths: readonly string[]) =>
    `[${paths.map((path) => JSON.stringify(path)).join(', ')}]`;
  const below = (kind: string) =>
    list(mounts.flatMap((each) => (each.kind === kind ? each.to : [])));
  const custom = mounts.flatMap((each) =>
    each.kind === 'custom' ? [`, ${JSON.stringify(each.from)}=>${list([each.to])}`] : [],
  );
  // As Ruby prints it: signatures have always been made of that.
  const printed = `{:tmp_dir=>${below('tmp_dir')}, :build_dir=>${below('build_dir')}${custom.join('')}}`;
  return {
    name: 'from',
    work: { kind: 'from' },
    dependencies: async () => [image, fromCacheVersion, printed],
  };
}

function shellStage(image: ImageConfig, stage: UserStage, gitOf: GitOf): readonly Stage[] {
  const { commands, cacheVersions }: ShellStage = image.userStages[stage];
  if (commands.length === 0) return [];
  const own = checksum(commands, cacheVersions);
  return [
    {
      name: NAMES[stage],
      work: { kind: 'shell', commands },
      async dependencies() {
        // It has always stood twice in the first one.
        if (stage === USER_STAGES[0]) return [own, own];
        const files = image.git.map((mapping) =>
          checksumOfFiles(gitOf(mapping), mapping, mapping.stageDependencies[stage] ?? []),
        );
        return [own, await Promise.all(files)];
      },
    },
  ];
}

function importStage(
  name: string,
  rules: readonly ImportRule[],
  { signatureOf }: StageFacts,
): readonly Stage[] {
  if (rules.length === 0) return [];
  const described = rules.map((rule) => [
    signatureOf(rule.kind, rule.from),
    rule.add,
    rule.to,
    ['include', ...rule.includePaths],
    ['exclude', ...rule.excludePaths],
    rule.owner ?? '',
    rule.group ?? '',
  ]);
  return [{ name, work: { kind: 'import', rules }, dependencies: async () => described }];
}

/** Whatever the commit: later ones are patches above it. */
function archiveStage(mappings: readonly GitMapping[]): Stage {
  return {
    name: 'git_archive',
    work: { kind: 'git' },
    dependencies: async () => mappings.map(mappingChecksum),
  };
}

function largePatchStage(gitOf: GitOf, mappings: readonly GitMapping[]): Stage {
  return {
    name: 'git_post_setup_patch',
    work: { kind: 'git' },
    async dependencies(commits) {
      const count = await changedFiles(gitOf, mappings, commits);
      const times = Math.floor(count / LARGE_PATCH_FILES);
      return times === 0 ? undefined : [String(times)];
    },
  };
}

function latestPatchStage(gitOf: GitOf, mappings: readonly GitMapping[]): Stage {
  return {
    name: 'git_latest_patch',
    work: { kind: 'git' },
    async dependencies(commits) {
      if ((await changedFiles(gitOf, mappings, commits)) === 0) return undefined;
      return await Promise.all(
        mappings.map((mapping) => checksumOfMapping(gitOf(mapping), mapping)),
      );
    },
  };
}

async function changedFiles(
  gitOf: GitOf,
  mappings: readonly GitMapping[],
  commits: MappedCommits,
): Promise<number> {
  let count = 0;
  for (const mapping of mappings) {
    const git = gitOf(mapping);
    const before = commits.get(mappingChecksum(mapping)) ?? git.commit;
    const { written, removed } = await mappedChanges(git, mapping, before, git.commit);
    count += written.length + removed.length;
  }
  return count;
}

function dockerStage({ docker }: ImageConfig): readonly Stage[] {
  if (docker === undefined || Object.keys(docker).length === 0) return [];
  const described = Object.entries(docker).flatMap(([name, value]) => [
    name,
    JSON.stringify(value),
  ]);
  return [
    {
      name: 'docker_instructions',
      work: { kind: 'docker', directives: docker },
      dependencies: async () => described,
    },
  ];
}
