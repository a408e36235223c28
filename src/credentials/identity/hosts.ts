/**
 * Which registry hosts belong to which cloud. A match means that a token of that cloud is sent to
 * the host, so every rule names the whole host: from its first character to its last, without a
 * port, and with suffixes that nobody but the cloud can register.
 */

/** An account's registry of Amazon's. */
export interface EcrRegistry {
  readonly cloud: 'ecr';
  readonly host: string;
  readonly region: string;
  readonly isFips: boolean;
  /** reached by IPv4 and IPv6 */
  readonly isDualStack: boolean;
}

/** Amazon's public registry. */
export interface EcrPublicRegistry {
  readonly cloud: 'ecr-public';
  readonly host: string;
}

/** A registry that an identity can be exchanged for. */
export type CloudRegistry =
  | EcrRegistry
  | EcrPublicRegistry
  | { readonly cloud: 'google' | 'azure' | 'github' | 'quay'; readonly host: string };

/** An account's registry in one of Amazon's partitions; the region must be of the partition. */
interface Partition {
  readonly form: 'dkr.ecr' | 'dkr-ecr';
  readonly suffix: string;
  readonly region: RegExp;
}

const GLOBAL_REGION = /^(?!cn-|eusc-|us-iso|eu-iso)[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}$/;
const CHINA_REGION = /^cn-[a-z]+-[0-9]{1,2}$/;

const PARTITIONS: readonly Partition[] = [
  { form: 'dkr.ecr', suffix: 'amazonaws.com', region: GLOBAL_REGION },
  { form: 'dkr.ecr', suffix: 'amazonaws.com.cn', region: CHINA_REGION },
  { form: 'dkr.ecr', suffix: 'amazonaws.eu', region: /^eusc-[a-z]+(?:-[a-z]+)*-[0-9]{1,2}$/ },
  { form: 'dkr.ecr', suffix: 'c2s.ic.gov', region: /^us-iso-[a-z]+-[0-9]{1,2}$/ },
  { form: 'dkr.ecr', suffix: 'sc2s.sgov.gov', region: /^us-isob-[a-z]+-[0-9]{1,2}$/ },
  { form: 'dkr.ecr', suffix: 'cloud.adc-e.uk', region: /^eu-isoe-[a-z]+-[0-9]{1,2}$/ },
  { form: 'dkr.ecr', suffix: 'csp.hci.ic.gov', region: /^us-isof-[a-z]+-[0-9]{1,2}$/ },
  { form: 'dkr-ecr', suffix: 'on.aws', region: GLOBAL_REGION },
  { form: 'dkr-ecr', suffix: 'on.amazonwebservices.com.cn', region: CHINA_REGION },
];

const ECR = /^[0-9]{12}\.(dkr[.-]ecr)(-fips)?\.([a-z0-9-]{1,40})\.([a-z.0-9-]{1,40})$/;

const FIXED: Readonly<Record<string, 'ecr-public' | 'google' | 'github' | 'quay'>> = {
  'public.ecr.aws': 'ecr-public',
  'ecr-public.aws.com': 'ecr-public',
  'gcr.io': 'google',
  'ghcr.io': 'github',
  'quay.io': 'quay',
};

const GOOGLE = /^(?:[a-z0-9]+(?:-[a-z0-9]+)*\.gcr\.io|[a-z0-9]+(?:-[a-z0-9]+)*-docker\.pkg\.dev)$/;
const AZURE = /^[a-z0-9]+(?:-[a-z0-9]+)*\.azurecr\.(?:io|cn|us)$/;

/**
 * The cloud whose registry a host is, as references write it; undefined for all others.
 *
 * @param githubServer the server whose job this is, `https://github.com` if left out; those of
 * other GitHub servers stand at `containers.` before their name
 */
export function cloudRegistry(
  name: string,
  githubServer = 'https://github.com',
): CloudRegistry | undefined {
  // Names of hosts know no case, and connections are made to the lower-case one.
  const host = name.toLowerCase();
  if (host === githubRegistry(githubServer)) return { cloud: 'github', host };
  const fixed = Object.hasOwn(FIXED, host) ? FIXED[host] : undefined;
  // The token of a job at another server is nothing to GitHub's own registry.
  if (fixed === 'github') return undefined;
  if (fixed !== undefined) return { cloud: fixed, host };
  if (GOOGLE.test(host)) return { cloud: 'google', host };
  if (AZURE.test(host)) return { cloud: 'azure', host };
  const [, form, fips, region = '', suffix] = ECR.exec(host) ?? [];
  const partition = PARTITIONS.find((one) => one.form === form && one.suffix === suffix);
  if (partition?.region.test(region) !== true) return undefined;
  const isDualStack = partition.form === 'dkr-ecr';
  return { cloud: 'ecr', host, region, isFips: fips !== undefined, isDualStack };
}

/** The container registry of a GitHub server, by the server's URL. */
function githubRegistry(server: string): string | undefined {
  const url = URL.parse(server);
  if (url?.protocol !== 'https:' || url.port !== '' || url.username !== '') return undefined;
  if (url.hostname === 'github.com') return 'ghcr.io';
  return url.hostname.includes('.') ? `containers.${url.hostname}` : undefined;
}
