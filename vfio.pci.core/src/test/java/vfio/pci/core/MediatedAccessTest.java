package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static vfio.pci.core.Errors.assertRefused;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.logging.Level;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.Mediation.Result;

/** Reads, writes and mappings of regions: what is checked, who answers, what a vendor's mistakes cost. */
class MediatedAccessTest {
    private final Setting setting = new Setting();
    private final FakeHardware hardware = setting.hardware;

    @Test
    void passesThroughWithoutAMediation() {
        MediatedDevice device = setting.openPassThrough();
        RegionAccess access = Setting.access(0, 0x100, 4);
        device.read(access);
        device.write(access);

        assertThat(access.getInt(0)).isEqualTo(0x5a5a5a5a);
        assertThat(hardware.reads).isEqualTo(1);
        assertThat(hardware.writes).isEqualTo(1);
        assertThat(device.mediator()).isEmpty();
        assertThat(device.counters()).isEmpty();
    }

    @Test
    void theMediationAnswersOrPassesThrough() {
        FakeMediation mediation = FakeMediation.accessing(access -> {
            if (access.offset() == 0) {
                access.setValue(0x1234);
                return Result.DONE;
            }
            return Result.PASS_THROUGH;
        });
        MediatedDevice device = setting.open(mediation);
        RegionAccess answered = Setting.access(0, 0, 4);
        RegionAccess passed = Setting.access(0, 4, 4);
        device.read(answered);
        device.read(passed);
        device.write(answered);
        device.write(passed);

        assertThat(answered.value()).isEqualTo(0x1234);
        assertThat(passed.value()).isEqualTo(0x5a5a5a5a);
        assertThat(hardware.reads).isEqualTo(1);
        assertThat(hardware.writes).isEqualTo(1);
        assertThat(mediation.reads).isEqualTo(2);
        assertThat(mediation.writes).isEqualTo(2);
        assertThat(device.mediator()).contains("vendor");
    }

    @Test
    void theHardwareSeesTheDataAsTheMediationLeftIt() {
        int[] seen = new int[1];
        FakeHardware watching = new FakeHardware() {
            @Override
            public void write(RegionAccess access) {
                seen[0] = access.getInt(0);
            }
        };
        MediatedDevice device = new Setting(watching).open(FakeMediation.accessing(access -> {
            access.setValue(access.value() | 0x80);
            return Result.PASS_THROUGH;
        }));
        RegionAccess access = Setting.access(0, 0, 4);
        access.setValue(1);
        device.write(access);

        assertThat(seen[0]).isEqualTo(0x81);
    }

    /**
     * Offsets around 0, around the end, around overflow and below 0 in regions of all kinds of sizes, against exact
     * arithmetic. What is refused reaches neither mediation nor hardware.
     */
    @ParameterizedTest
    @ValueSource(longs = {0, 1, 3, 7, 8, 4096, 0x1_0000_0000L, Long.MAX_VALUE})
    void boundsAreCheckedOnce(long size) {
        Setting bounded = new Setting(FakeHardware.with(RegionInfo.trapped(0, size)));
        FakeMediation mediation = new FakeMediation();
        MediatedDevice device = bounded.open(mediation);
        int inside = 0;
        for (long base : new long[] {0, size, -size, size / 2, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 31, 1L << 32}) {
            for (int delta = -9; delta <= 9; delta++) {
                for (int length : new int[] {1, 2, 3, 4, 8, 64}) {
                    long offset = base + delta;
                    RegionAccess access = Setting.access(0, offset, length);
                    boolean fits =
                            unsigned(offset).add(BigInteger.valueOf(length)).compareTo(BigInteger.valueOf(size)) <= 0;
                    if (fits) {
                        device.read(access);
                        device.write(access);
                        inside++;
                    } else {
                        assertRefused(Errno.EINVAL, () -> device.read(access)).contains("outside");
                        assertRefused(Errno.EINVAL, () -> device.write(access)).contains("outside");
                    }
                }
            }
        }
        assertThat(inside > 0).isEqualTo(size > 0);
        assertThat(mediation.reads).isEqualTo(inside);
        assertThat(mediation.writes).isEqualTo(inside);
        assertThat(bounded.hardware.reads).isEqualTo(inside);
        assertThat(bounded.hardware.writes).isEqualTo(inside);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 9, -1, Integer.MAX_VALUE, Integer.MIN_VALUE})
    void refusesRegionsThatAreNot(int region) {
        FakeMediation mediation = new FakeMediation();
        MediatedDevice device = setting.open(mediation);

        assertRefused(Errno.EINVAL, () -> device.read(Setting.access(region, 0, 1)));
        assertRefused(Errno.EINVAL, () -> device.write(Setting.access(region, 0, 1)));
        assertRefused(Errno.EINVAL, () -> device.regionInfo(region));
        assertRefused(Errno.EINVAL, () -> device.mmap(region));
        assertThat(mediation.reads + mediation.writes + hardware.reads + hardware.writes)
                .isZero();
    }

    @Test
    void respectsPermissionsEvenIfTheMediationWouldAnswer() {
        Setting restricted = new Setting(FakeHardware.with(
                new RegionInfo(0, 4096, Set.of(Flag.READ), List.of(), 0, 0),
                new RegionInfo(1, 4096, Set.of(Flag.WRITE), List.of(), 0, 0),
                new RegionInfo(2, 4096, Set.of(), List.of(), 0, 0)));
        FakeMediation mediation = FakeMediation.accessing(access -> Result.DONE);
        MediatedDevice device = restricted.open(mediation);

        device.read(Setting.access(0, 0, 4));
        device.write(Setting.access(1, 0, 4));
        assertRefused(Errno.EACCES, () -> device.write(Setting.access(0, 0, 4)));
        assertRefused(Errno.EACCES, () -> device.read(Setting.access(1, 0, 4)));
        assertRefused(Errno.EACCES, () -> device.read(Setting.access(2, 0, 4)));
        assertRefused(Errno.EACCES, () -> device.write(Setting.access(2, 0, 4)));
        assertThat(mediation.reads).isEqualTo(1);
        assertThat(mediation.writes).isEqualTo(1);
    }

    @Test
    void refusesARedirectedAccess() {
        Setting two = new Setting(FakeHardware.with(RegionInfo.trapped(0, 4096), RegionInfo.trapped(1, 4096)));
        ByteBuffer other = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
        for (Consumer<RegionAccess> redirection : List.<Consumer<RegionAccess>>of(
                access -> access.wrap(1, 8, 4, other, 0),
                access -> access.wrap(0, 1L << 40, 4, other, 0),
                access -> access.wrap(0, 8, 64, other, 0))) {
            MediatedDevice device = two.open(FakeMediation.accessing(access -> {
                redirection.accept(access);
                return Result.PASS_THROUGH;
            }));

            assertRefused(Errno.EIO, () -> device.read(Setting.access(0, 8, 4))).contains("redirected");
            assertRefused(Errno.EIO, () -> device.write(Setting.access(0, 8, 4)))
                    .contains("redirected");
        }
        assertThat(two.hardware.reads + two.hardware.writes).isZero();
    }

    @Test
    void aRegionOfTheMediationHasNothingUnderneath() {
        RegionInfo added = new RegionInfo(-1, 4096, Set.of(Flag.values()), List.of(), 0x8086, 1);
        FakeMediation mediation = FakeMediation.accessing(
                access -> access.region() == 1 && access.offset() == 0 ? Result.DONE : Result.PASS_THROUGH);
        MediatedDevice device = setting.open(context -> {
            context.addRegion(added);
            return Decision.accept(mediation);
        });

        assertThat(device.regionCount()).isEqualTo(2);
        device.read(Setting.access(1, 0, 4));
        assertRefused(Errno.EIO, () -> device.read(Setting.access(1, 4, 4))).contains("not answered");
        assertThat(device.mmap(1)).isNull();
        try (CapturedLog log = new CapturedLog()) {
            setting.leave(setting.mediator);
            assertThat(log.entries(Level.WARNING)).hasSize(1);
        }
        assertRefused(Errno.EIO, () -> device.read(Setting.access(1, 0, 4))).contains("not answered");
        assertThat(hardware.reads).isZero();
    }

    @Test
    void anExceptionCostsTheRequestAndOneLogEntry() {
        FakeMediation mediation = FakeMediation.accessing(access -> {
            throw new IllegalStateException("broken register");
        });
        MediatedDevice device = setting.open(mediation);
        try (CapturedLog log = new CapturedLog()) {
            for (int count = 0; count < 50; count++) {
                assertRefused(Errno.EIO, () -> device.read(Setting.access(0, 0, 4)))
                        .contains("vendor", "broken register");
            }
            assertThat(setting.failures()).isEqualTo(50);
            assertThat(log.entries(Level.WARNING)).singleElement().asString().contains("vendor", "broken register");

            assertRefused(Errno.EIO, () -> device.write(Setting.access(0, 0, 4)));
            assertThat(log.entries(Level.WARNING))
                    .as("a write is another fault")
                    .hasSize(2);
            mediation.onAccess = access -> Result.PASS_THROUGH;
            device.read(Setting.access(0, 0, 4));
        }
        assertThat(hardware.reads).isEqualTo(1);
    }

    /** The text of an exception may contain what a guest wrote; the log must not grow by the guest's will. */
    @Test
    void theLogIsBoundedWhateverTheExceptionsSay() {
        int[] number = new int[1];
        MediatedDevice device = setting.open(FakeMediation.accessing(access -> {
            throw new IllegalStateException("value " + number[0]++);
        }));
        try (CapturedLog log = new CapturedLog()) {
            for (int count = 0; count < 1000; count++) {
                assertRefused(Errno.EIO, () -> device.read(Setting.access(0, 0, 4)));
            }
            assertThat(log.entries(Level.ALL).size()).isBetween(2, 300);
        }
        assertThat(setting.failures()).isEqualTo(1000);
    }

    @Test
    void errorsOfTheRuntimeAreContainedToo() {
        MediatedDevice device = setting.open(FakeMediation.accessing(access -> {
            throw new NoClassDefFoundError("vendor/Part");
        }));
        try (CapturedLog log = new CapturedLog()) {
            assertRefused(Errno.EIO, () -> device.read(Setting.access(0, 0, 4)));
            assertThat(log.entries(Level.SEVERE)).hasSize(1);
        }
        assertThat(setting.failures()).isEqualTo(1);
    }

    @Test
    void nullIsNoResult() {
        MediatedDevice device = setting.open(FakeMediation.accessing(access -> null));
        try (CapturedLog log = new CapturedLog()) {
            assertRefused(Errno.EIO, () -> device.read(Setting.access(0, 0, 4))).contains("vendor");
            assertRefused(Errno.EIO, () -> device.write(Setting.access(0, 0, 4)));
            assertThat(log.entries(Level.SEVERE)).hasSize(2);
        }
        assertThat(setting.failures()).isEqualTo(2);
        assertThat(hardware.reads + hardware.writes).isZero();
    }

    @Test
    void aTypedErrorIsTheVendorsAnswer() {
        MediatedDevice device = setting.open(FakeMediation.accessing(access -> {
            throw new VfioException(Errno.EAGAIN, "the queue is being reset");
        }));
        try (CapturedLog log = new CapturedLog()) {
            assertRefused(Errno.EAGAIN, () -> device.read(Setting.access(0, 0, 4)))
                    .isEqualTo("the queue is being reset");
            assertThat(log.entries(Level.ALL)).isEmpty();
        }
        assertThat(setting.failures()).isZero();
    }

    @Test
    void countersAreThoseOfTheMediation() {
        FakeMediation mediation = new FakeMediation();
        mediation.onCounters = () -> Map.of("rounds", 3L);

        assertThat(setting.open(mediation).counters()).containsExactly(Map.entry("rounds", 3L));
    }

    @Test
    void whatCountersThrowIsContainedToo() {
        FakeMediation mediation = new FakeMediation();
        mediation.onCounters = () -> {
            throw new IllegalStateException("no counters");
        };
        MediatedDevice device = setting.open(mediation);

        assertDefect(device::counters, "vendor failed in counters", "no counters");
    }

    @Test
    void nullIsNoCounters() {
        FakeMediation mediation = new FakeMediation();
        mediation.onCounters = () -> null;
        MediatedDevice device = setting.open(mediation);

        assertDefect(device::counters, "vendor failed in counters", "null instead of its counters");
    }

    @Test
    void whatMmapThrowsIsContainedToo() {
        FakeMediation mediation = new FakeMediation();
        mediation.onMmap = region -> {
            throw new IllegalStateException("no memory");
        };
        MediatedDevice device = setting.open(mediation);

        assertDefect(() -> device.mmap(0), "vendor failed in mmap of region 0", "no memory");
        assertThat(hardware.calls).as("nobody else's memory instead").isEmpty();
    }

    @Test
    void whatTrackThrowsIsContainedToo() {
        MediatedDevice device = setting.open(new Mediation() {
            @Override
            public void track(boolean tracking) {
                throw new IllegalStateException("no pages");
            }
        });

        assertDefect(() -> device.track(true), "vendor failed in track", "no pages");
    }

    @Test
    void whoDoesNotTrackSaysSo() {
        MediatedDevice device = setting.open(new FakeMediation());

        assertRefused(Errno.EOPNOTSUPP, () -> device.track(true));
        assertThat(setting.failures()).isZero();
    }

    @Test
    void memoryComesFromTheMediationOrFromTheHardware() {
        FakeMediation mediation = new FakeMediation();
        MediatedDevice device = setting.open(mediation);
        SharedMemory own = new FakeMemory(0x10000);

        assertThat(device.mmap(0)).isNull();
        assertThat(hardware.calls).containsExactly("memory 0");
        mediation.onMmap = region -> own;
        assertThat(device.mmap(0)).isSameAs(own);
        assertThat(hardware.calls).hasSize(1);
    }

    @Test
    void whatMayNotBeMappedIsNotAskedFor() {
        FakeMediation mediation = new FakeMediation();
        mediation.description = region -> region.withAreas(List.of());
        mediation.onMmap = region -> new FakeMemory(0x10000);

        assertThat(setting.open(mediation).mmap(0)).isNull();
        assertThat(hardware.calls).isEmpty();
    }

    @Test
    void memoryThatIsTooSmallIsADefectOfTheVendor() {
        FakeMediation mediation = new FakeMediation();
        mediation.onMmap = region -> new FakeMemory(0xf000);
        MediatedDevice device = setting.open(mediation);
        try (CapturedLog log = new CapturedLog()) {
            assertRefused(Errno.EIO, () -> device.mmap(0)).contains("smaller");
            assertThat(log.entries(Level.SEVERE)).hasSize(1);
        }
        assertThat(setting.failures()).isEqualTo(1);
    }

    @Test
    void failuresOfTheHardwareAreNotPutDownToTheVendor() {
        Setting failing = new Setting(new FakeHardware() {
            @Override
            public void read(RegionAccess access) {
                throw new IllegalStateException("hardware");
            }

            @Override
            public SharedMemory memory(int region) {
                throw new IllegalStateException("hardware");
            }
        });
        MediatedDevice device = failing.open(new FakeMediation());

        assertThatIllegalStateException()
                .isThrownBy(() -> device.read(Setting.access(0, 0, 4)))
                .withMessage("hardware");
        assertThatIllegalStateException().isThrownBy(() -> device.mmap(0)).withMessage("hardware");
        assertThat(failing.failures()).isZero();
        device.close();
    }

    @Test
    void mediatedAccessesAllocateNothing() {
        MediatedDevice mediated = setting.open(
                FakeMediation.accessing(access -> access.offset() == 0 ? Result.DONE : Result.PASS_THROUGH));
        MediatedDevice passing = new Setting().openPassThrough();
        RegionAccess answered = Setting.access(0, 0, 4);
        RegionAccess passed = Setting.access(0, 8, 4);

        assertThat(Allocation.bytes(() -> {
                    mediated.read(answered);
                    mediated.write(answered);
                    mediated.read(passed);
                    mediated.write(passed);
                    passing.read(passed);
                    passing.write(passed);
                }))
                .isZero();
    }

    /** The call costs one EIO, one count and one log entry, and the device goes on. */
    private void assertDefect(ThrowingCallable call, String... sentence) {
        try (CapturedLog log = new CapturedLog()) {
            assertRefused(Errno.EIO, call).contains(sentence);
            assertThat(log.entries(Level.SEVERE)).singleElement().asString().contains(sentence);
        }
        assertThat(setting.failures()).isEqualTo(1);
        assertThat(setting.closed).isEmpty();
    }

    private static BigInteger unsigned(long value) {
        return new BigInteger(Long.toUnsignedString(value));
    }
}
