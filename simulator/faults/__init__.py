"""Faults by kind.  A new one is a file beside these and a line here."""

from __future__ import annotations

from simulator.faults.base import Fault, Injection
from simulator.faults.bit_flip import BitFlip
from simulator.faults.clog import Clog
from simulator.faults.cloned_disk import ClonedDisk
from simulator.faults.crash import Crash
from simulator.faults.disk_full import DiskFull
from simulator.faults.disk_lost import DiskLost
from simulator.faults.drain import Drain
from simulator.faults.drift import Drift
from simulator.faults.failpoint import Failpoint
from simulator.faults.fence import Fence
from simulator.faults.jam import Jam
from simulator.faults.link import Link
from simulator.faults.lossy import Lossy
from simulator.faults.misdirected_write import MisdirectedWrite
from simulator.faults.misjudge import Misjudge
from simulator.faults.mixed_versions import MixedVersions
from simulator.faults.old_backup import OldBackup
from simulator.faults.partition import Partition
from simulator.faults.pause import Pause
from simulator.faults.power_cut import PowerCut
from simulator.faults.reboot import Reboot
from simulator.faults.recreate_pool import RecreatePool
from simulator.faults.replay import Replay
from simulator.faults.resize_pool import ResizePool
from simulator.faults.reused_name import ReusedName
from simulator.faults.shorten_horizon import ShortenHorizon
from simulator.faults.slow_cpu import SlowCpu
from simulator.faults.slow_disk import SlowDisk
from simulator.faults.slow_net import SlowNet
from simulator.faults.suspend import Suspend
from simulator.faults.swizzle import Swizzle
from simulator.faults.voter_replaced import VoterReplaced
from simulator.faults.wall_jump import WallJump

__all__ = ["FAULTS", "Fault", "Injection"]

FAULTS: dict[str, type[Fault]] = {
    "partition": Partition,
    "link": Link,
    "lossy": Lossy,
    "replay": Replay,
    "slow_net": SlowNet,
    "jam": Jam,
    "clog": Clog,
    "swizzle": Swizzle,
    "crash": Crash,
    "failpoint": Failpoint,
    "pause": Pause,
    "suspend": Suspend,
    "reboot": Reboot,
    "power_cut": PowerCut,
    "slow_disk": SlowDisk,
    "disk_full": DiskFull,
    "bit_flip": BitFlip,
    "disk_lost": DiskLost,
    "old_backup": OldBackup,
    "wall_jump": WallJump,
    "drift": Drift,
    "misjudge": Misjudge,
    "drain": Drain,
    "fence": Fence,
    "recreate_pool": RecreatePool,
    "cloned_disk": ClonedDisk,
    "reused_name": ReusedName,
    "voter_replaced": VoterReplaced,
    "slow_cpu": SlowCpu,
    "misdirected_write": MisdirectedWrite,
    "mixed_versions": MixedVersions,
    "resize_pool": ResizePool,
    "shorten_horizon": ShortenHorizon,
}
