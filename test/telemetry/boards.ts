// Boards as their kernels show them, built below a temporary folder: each sensor layout, with what is odd about it.
import fs from 'node:fs';
import path from 'node:path';
import { Folder } from '../support/folder.js';

/** mV, mA, and for old drivers mW; null leaves the file out. */
export type Measured = readonly [number | null, number | null, (number | null)?];

export class Board {
  readonly root: string;

  constructor(folder: Folder, name: string) {
    this.root = path.join(folder.path, name);
    fs.mkdirSync(this.root, { recursive: true });
  }

  file(name: string): string {
    return path.join(this.root, name);
  }

  write(name: string, content: string | number | Uint8Array): this {
    const file = this.file(name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, typeof content === 'number' ? `${content}\n` : content);
    return this;
  }

  link(name: string, target: string): this {
    const file = this.file(name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.symlinkSync(target, file);
    return this;
  }

  tree(model: string, ...compatible: string[]): this {
    const base = 'sys/firmware/devicetree/base';
    this.write(`${base}/model`, `${model}\0`).write(`${base}/compatible`, `${compatible.join('\0')}\0`);
    return this.link('proc/device-tree', '/sys/firmware/devicetree/base'); // absolute, as the kernel's is
  }

  l4t(release: number, revision: string, board = 'generic'): this {
    const text = `# R${release} (release), REVISION: ${revision}, GCID: 1, BOARD: ${board}, EABI: aarch64, DATE: Wed Jan  8 01:49:37 UTC 2025\n`;
    return this.write('etc/nv_tegra_release', `${text}# KERNEL_VARIANT: oot\nTARGET_USERSPACE_LIB_DIR=nvidia\n`);
  }

  /** `modes` as in the configuration; `status` as nvpmodel writes it. */
  mode(status: string, conf: string, modes: readonly [number, string][]): this {
    const lines = modes.map(([id, name]) => `< POWER_MODEL ID=${id} NAME=${name} >\nCPU_ONLINE CORE_0 1\n`);
    this.write(
      `etc/nvpmodel/${conf}`,
      `# < POWER_MODEL ID=0 NAME=REMARK >\n${lines.join('\n')}< PM_CONFIG DEFAULT=0 >\n`,
    );
    return this.link('etc/nvpmodel.conf', `/etc/nvpmodel/${conf}`).write('var/lib/nvpmodel/status', status);
  }

  zones(temperatures: readonly [string, number | string | null][], first = 0): this {
    temperatures.forEach(([name, value], i) => {
      const folder = `sys/class/thermal/thermal_zone${first + i}`;
      this.write(`${folder}/type`, `${name}\n`);
      if (value !== null) this.write(`${folder}/temp`, value);
    });
    return this;
  }

  /** The layout of kernel 4.9; `device` is `iio:device0`, or `iio_device` on the oldest. */
  oldIna(address: string, device: string, rails: Readonly<Record<string, Measured>>): this {
    const driver = 'sys/bus/i2c/drivers/ina3221x';
    this.write(`${driver}/bind`, '').write(`${driver}/uevent`, '');
    Object.entries(rails).forEach(([name, [millivolts, milliamps, milliwatts]], i) => {
      const folder = `${driver}/${address}/${device}`;
      this.write(`${folder}/rail_name_${i}`, `${name}\n`);
      if (millivolts !== null) this.write(`${folder}/in_voltage${i}_input`, millivolts);
      if (milliamps !== null) this.write(`${folder}/in_current${i}_input`, milliamps);
      if (typeof milliwatts === 'number') this.write(`${folder}/in_power${i}_input`, milliwatts);
    });
    return this;
  }

  /** The layout of kernel 5.10 and newer, with the attributes that are no rails. */
  newIna(address: string, hwmon: number, rails: readonly [string, Measured][]): this {
    const folder = `sys/bus/i2c/drivers/ina3221/${address}/hwmon/hwmon${hwmon}`;
    this.write('sys/bus/i2c/drivers/ina3221/unbind', '').write(`${folder}/name`, 'ina3221\n');
    rails.forEach(([name, [millivolts, milliamps]], i) => {
      this.write(`${folder}/in${i + 1}_label`, `${name}\n`);
      if (millivolts !== null) this.write(`${folder}/in${i + 1}_input`, millivolts);
      if (milliamps !== null) this.write(`${folder}/curr${i + 1}_input`, milliamps);
      this.write(`${folder}/in${i + 4}_input`, 77);
    });
    this.write(`${folder}/in7_label`, 'sum of shunt voltages\n').write(`${folder}/in7_input`, 231);
    return this.write(`${folder}/curr4_input`, 9999);
  }

  /** Power in µW. */
  ina238(address: string, hwmon: number, [millivolts, milliamps, microwatts]: Measured, label?: string): this {
    const folder = `sys/bus/i2c/drivers/ina238/${address}/hwmon/hwmon${hwmon}`;
    this.write(`${folder}/name`, 'ina238\n').write(`${folder}/in0_input`, 3);
    if (label !== undefined) this.write(`${folder}/label`, `${label}\n`);
    if (millivolts !== null) this.write(`${folder}/in1_input`, millivolts);
    if (milliamps !== null) this.write(`${folder}/curr1_input`, milliamps);
    if (typeof microwatts === 'number') this.write(`${folder}/power1_input`, microwatts);
    return this;
  }

  /** The class has a link to the device, as in sysfs. */
  devfreq(name: string, load: number | string | null): this {
    const device = `sys/devices/platform/${name}`;
    this.write(`${device}/devfreq/${name}/cur_freq`, 306000000);
    if (load !== null) this.write(`${device}/load`, load);
    this.link(`${device}/devfreq/${name}/device`, `../../../${name}`);
    return this.link(`sys/class/devfreq/${name}`, `../../devices/platform/${name}/devfreq/${name}`);
  }

  gpu(address: string, model: string | null): this {
    const folder = `proc/driver/nvidia/gpus/${address}`;
    this.write(`${folder}/registry`, '');
    return model === null
      ? this
      : this.write(`${folder}/information`, `Model: \t\t ${model}\nIRQ:   \t\t 97\nGPU UUID: \t GPU-1\n`);
  }
}

export function nano(folder: Folder, name = 'nano'): Board {
  return new Board(folder, name)
    .tree(
      'NVIDIA Jetson Nano Developer Kit',
      'nvidia,p3449-0000-b00+p3448-0000-b00',
      'nvidia,jetson-nano',
      'nvidia,tegra210',
    )
    .l4t(32, '7.1', 't210ref')
    .mode('pmode:0000 fmode:fanNull', 'nvpmodel_t210_jetson-nano.conf', [
      [0, 'MAXN'],
      [1, '5W'],
    ])
    .oldIna('6-0040', 'iio:device0', {
      POM_5V_IN: [5007, 412, 2062],
      POM_5V_GPU: [4992, 16, 79],
      POM_5V_CPU: [4984, 103, 513],
    })
    .zones([
      ['AO-therm', 41500],
      ['CPU-therm', 34000],
      ['GPU-therm', 31000],
      ['PLL-therm', 31500],
      ['PMIC-Die', 100000],
      ['thermal-fan-est', 32500],
    ])
    .devfreq('57000000.gpu', 0);
}

/** Also an L4T that the table does not have. */
export function tx2(folder: Folder, name = 'tx2'): Board {
  return new Board(folder, name)
    .tree('quill', 'nvidia,quill', 'nvidia,p2597-0000+p3310-1000', 'nvidia,tegra186')
    .l4t(28, '2.1', 't186ref')
    .oldIna('0-0040', 'iio_device', {
      VDD_SYS_GPU: [19160, 23, 440],
      VDD_SYS_SOC: [19160, 35, 670],
      VDD_4V0_WIFI: [4792, 4, 19],
    })
    .oldIna('0-0041', 'iio_device', {
      VDD_IN: [19128, 180, 3443],
      VDD_SYS_CPU: [19144, 15, 287],
      VDD_SYS_DDR: [4784, 152, 727],
    })
    .devfreq('17000000.gp10b', 1000)
    .zones([
      ['BCPU-therm', 33500],
      ['MCPU-therm', 33500],
      ['GPU-therm', 32000],
      ['Tboard_tegra', 30000],
    ]);
}

export function agxXavier(folder: Folder, name = 'agx-xavier'): Board {
  return new Board(folder, name)
    .tree('Jetson-AGX', 'nvidia,galen', 'nvidia,jetson-xavier', 'nvidia,p2822-0000+p2888-0001', 'nvidia,tegra194')
    .l4t(32, '6.1', 't186ref')
    .mode('pmode:0002 fmode:quiet', 'nvpmodel_t194.conf', [
      [0, 'MAXN'],
      [2, 'MODE_15W'],
    ])
    .oldIna('1-0040', 'iio:device0', { GPU: [19080, 8, 152], CPU: [19080, 24, 457], SOC: [19080, 56, 1068] })
    .oldIna('1-0041', 'iio:device1', { CV: [19096, 0, 0], VDDRQ: [19080, 8, 152], SYS5V: [5032, 292, 1469] })
    .zones([
      ['CPU-therm', 37500],
      ['PMIC-Die', 100000],
    ])
    .write('sys/devices/gpu.0/load', 342);
}

export function xavierNx(folder: Folder, name = 'xavier-nx'): Board {
  return new Board(folder, name)
    .tree('NVIDIA Jetson Xavier NX Developer Kit', 'nvidia,p3509-0000+p3668-0000', 'nvidia,tegra194')
    .l4t(35, '3.1', 't186ref')
    .newIna('7-0040', 4, [
      ['VDD_IN', [4968, 776]],
      ['VDD_CPU_GPU_CV', [4960, 80]],
      ['VDD_SOC', [4960, 192]],
    ])
    .devfreq('17000000.gv11b', 125);
}

export function orinNano(folder: Folder, name = 'orin-nano'): Board {
  return new Board(folder, name)
    .tree(
      'NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super',
      'nvidia,p3768-0000+p3767-0005-super',
      'nvidia,p3767-0005',
      'nvidia,tegra234',
    )
    .l4t(36, '4.3')
    .mode('pmode:0002\n', 'nvpmodel_p3767_0003_super.conf', [
      [0, '15W'],
      [1, '25W'],
      [2, 'MAXN_SUPER'],
      [3, '7W'],
    ])
    .newIna('1-0040', 1, [
      ['VDD_IN', [5072, 1008]],
      ['VDD_CPU_GPU_CV', [5064, 160]],
      ['VDD_SOC', [5064, 288]],
    ])
    .zones([
      ['cpu-thermal', 49687],
      ['gpu-thermal', 50531],
      ['cv0-thermal', ''],
      ['soc0-thermal', 50000],
      ['tj-thermal', 50781],
    ])
    .devfreq('17000000.gpu', 345)
    .devfreq('15340000.vic', null);
}

export function agxOrin(folder: Folder, name = 'agx-orin'): Board {
  return new Board(folder, name)
    .tree('Jetson AGX Orin Developer Kit', 'nvidia,p3737-0000+p3701-0005', 'nvidia,p3701-0005', 'nvidia,tegra234')
    .l4t(35, '4.1', 't186ref')
    .newIna('1-0040', 2, [
      ['VDD_GPU_SOC', [19952, 96]],
      ['VDD_CPU_CV', [19960, 16]],
      ['VIN_SYS_5V0', [5048, 552]],
    ])
    .newIna('1-0041', 3, [
      ['NC', [0, 0]],
      ['VDDQ_VDD2_1V8AO', [5048, 80]],
      ['NC', [0, 0]],
    ])
    .zones([
      ['CPU-therm', 45250],
      ['CV0-therm', -256000],
      ['tj-therm', 45250],
    ])
    .devfreq('17000000.ga10b', 999);
}

/** Its GPU is a PCI device of nvidia.ko; the INA238's rail has no label. */
export function thor(folder: Folder, name = 'thor'): Board {
  return new Board(folder, name)
    .tree(
      'NVIDIA Jetson AGX Thor Developer Kit',
      'nvidia,p3971-0089+p3834-0008',
      'nvidia,p3834-0008',
      'nvidia,tegra264',
    )
    .l4t(39, '2.0')
    .mode('pmode:0001\n', 'nvpmodel_p3834_0008.conf', [
      [0, 'MAXN'],
      [1, '120W'],
    ])
    .newIna('2-0040', 5, [
      ['VDD_GPU', [19600, -20]],
      ['VDD_CPU_SOC_MSS', [19600, 200]],
      ['VIN_SYS_5V0', [5040, 1296]],
    ])
    .ina238('2-0044', 6, [19700, 1180, 23_246_500])
    .zones([
      ['cpu-thermal', 53700],
      ['gpu-thermal', ''],
      ['tj-thermal', 55100],
    ])
    .write('sys/class/devfreq/gpu-gpc-0/cur_freq', 0)
    .gpu('0000:01:00.0', 'NVIDIA Thor');
}

export const boards = { nano, tx2, agxXavier, xavierNx, orinNano, agxOrin, thor };
