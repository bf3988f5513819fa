/** What `boardTelemetry` tells. Null is "not there" or "not known": nothing is made up, and no absent sensor reads 0. */

export interface TelemetryOptions {
  /** Stands for `/`, such as the host's file system where a container has it mounted. Default: `/`. */
  readonly root?: string;
  /** What has not been read by then is null, and `unreadable` says so. Default: 5000. */
  readonly deadlineMs?: number;
}

/** The mode that nvpmodel was last told to use; that all of its clocks were set is not known from here. */
export interface PowerMode {
  readonly id: number;
  /** As in nvpmodel's configuration: `15W`, `MAXN`; null where that does not tell. */
  readonly name: string | null;
}

/** A rail with a sensor, an INA3221 or INA238. Voltage and current are read one after the other. */
export interface PowerRail {
  /** As the board labels it: `VDD_IN`, `VDD_CPU_GPU_CV`. */
  readonly name: string;
  readonly chip: 'ina3221' | 'ina238';
  /** Bus and address of the sensor: `1-0040`. */
  readonly address: string;
  readonly millivolts: number | null;
  /** Small negative currents are an offset of the sensor. */
  readonly milliamps: number | null;
  /** The driver's own, or else voltage times current. */
  readonly milliwatts: number | null;
}

export interface BoardTemperature {
  /** As the kernel calls the zone: `cpu-thermal`, `GPU-therm`, `tj-thermal` (the hottest of a Jetson's). */
  readonly name: string;
  /** `thermal_zone0`. */
  readonly zone: string;
  /** In °C; null also where the part is switched off, and where the kernel has a constant instead of a sensor. */
  readonly celsius: number | null;
}

/** A Jetson's own GPU, or one of NVIDIA's driver `nvidia.ko` (cards, and Jetson Thor). */
export interface GpuTelemetry {
  /** `17000000.ga10b`, `NVIDIA GeForce RTX 4090`. */
  readonly name: string | null;
  /** On the PCI bus: `0000:01:00.0`; null for a GPU that is not on one. */
  readonly address: string | null;
  /** In percent. */
  readonly loadPercent: number | null;
  /** In °C; null for a Jetson's own GPU, which has a zone among `temperatures`. */
  readonly celsius: number | null;
  /** Of the card; null for a Jetson's own GPU, which may have a rail among `rails`. */
  readonly milliwatts: number | null;
}

export interface EdgeTpuTelemetry {
  /** As in `tflite:edgetpu:pci-0`; null for a PCIe card that the kernel module has not taken. */
  readonly selector: string | null;
  /** On its bus: `1-4`, `0000:03:00.0`. */
  readonly address: string;
  /** In °C; null for USB, which does not tell. */
  readonly celsius: number | null;
  /** Whether the card is hot enough to run slower; null where that is not known. */
  readonly throttled: boolean | null;
}

/** Something that is there and could not be read, or reads as nonsense. */
export interface UnreadableSensor {
  /** Below the root; or a command. */
  readonly path: string;
  readonly reason: string;
}

export interface BoardTelemetry {
  /** As the device tree names the board: `NVIDIA Jetson Orin Nano Developer Kit`. */
  readonly model: string | null;
  /** The chip, where it is a Tegra: `tegra234`. */
  readonly soc: string | null;
  /** Release of Jetson Linux: `36.4.3`. */
  readonly l4t: string | null;
  /** The JetPack that this L4T came with, such as `6.2` or `5.0.1 DP`; null for an L4T that the table does not have. */
  readonly jetpack: string | null;
  readonly powerMode: PowerMode | null;
  /** What feeds the whole module (on Jetson Thor: the board), by the one rail that measures it; rails are never summed. */
  readonly inputMilliwatts: number | null;
  readonly rails: readonly PowerRail[];
  readonly temperatures: readonly BoardTemperature[];
  readonly gpus: readonly GpuTelemetry[];
  readonly edgeTpus: readonly EdgeTpuTelemetry[];
  /** Why values are null although something is there. */
  readonly unreadable: readonly UnreadableSensor[];
}
