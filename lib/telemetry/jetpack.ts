/** Which JetPack a release of Jetson Linux (L4T) came with. */

/**
 * Source: NVIDIA's JetPack and Jetson Linux archives (developer.nvidia.com/embedded/jetpack-archive, jetson-linux-archive).
 * Not all of their pages could be read: from 32.7.4, 35.5, 36.4.7 and 38.4 on it is what OE4T's meta-tegra,
 * jetson-containers and others cite of them, where these agree. A release that is not here is unknown, also one between two
 * that are.
 */
const jetpacks: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '32.1.0': '4.2',
    '32.2.0': '4.2.1',
    '32.2.1': '4.2.2',
    '32.2.3': '4.2.3',
    '32.3.1': '4.3',
    '32.4.2': '4.4 DP',
    '32.4.3': '4.4',
    '32.4.4': '4.4.1',
    '32.5.0': '4.5',
    '32.5.1': '4.5.1',
    '32.5.2': '4.5.1',
    '32.6.1': '4.6',
    '32.7.1': '4.6.1',
    '32.7.2': '4.6.2',
    '32.7.3': '4.6.3',
    '32.7.4': '4.6.4',
    '32.7.5': '4.6.5',
    '32.7.6': '4.6.6',
    '34.1.0': '5.0 DP',
    '34.1.1': '5.0.1 DP',
    '35.1.0': '5.0.2',
    '35.2.1': '5.1',
    '35.3.1': '5.1.1',
    '35.4.1': '5.1.2',
    '35.5.0': '5.1.3',
    '35.6.0': '5.1.4',
    '35.6.1': '5.1.5',
    '35.6.2': '5.1.5',
    '35.6.4': '5.1.6',
    '36.2.0': '6.0 DP',
    '36.3.0': '6.0',
    '36.4.0': '6.1',
    '36.4.3': '6.2',
    '36.4.4': '6.2.1',
    '36.4.7': '6.2.1',
    '36.5.0': '6.2.2',
    '36.5.2': '6.2.3',
    '38.2.0': '7.0',
    '38.2.1': '7.0',
    '38.4.0': '7.1',
    '39.2.0': '7.2',
    '39.2.1': '7.2.1',
  }),
);

/** The release that the first line of /etc/nv_tegra_release names: `# R36 (release), REVISION: 4.3, …` is 36.4.3. */
export function l4tOf(text: string): string | null {
  const pattern = /^#\s*R(\d{1,4})\s*\(release\),\s*REVISION:\s*(\d{1,4})(?:\.(\d{1,4}))?(?=[,\s]|$)/;
  const [, release, major, minor = '0'] = pattern.exec(text) ?? [];
  // 36.4 and 36.4.0 are the same release.
  return release === undefined || major === undefined ? null : `${release}.${major}.${minor}`;
}

export function jetpackOf(l4t: string): string | null {
  return jetpacks.get(l4t) ?? null;
}
