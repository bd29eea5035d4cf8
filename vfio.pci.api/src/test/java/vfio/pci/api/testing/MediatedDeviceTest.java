package vfio.pci.api.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.entry;
import static vfio.pci.api.testing.TestMediation.accepting;
import static vfio.pci.api.testing.TestMediation.fails;
import static vfio.pci.api.testing.TestMediation.failsTest;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.MediationContext;

class MediatedDeviceTest {
    private final FakeDevice hardware = FakeDevice.of("1234:11e8").withBar(0, 0x10000);
    private final List<String> calls = new ArrayList<>();

    @Test
    void accessReachesMediationFirstAndHardwareThenAsMediationLeftIt() {
        MediatedDevice device = hardware.mediatedBy(accepting(new Mediation() {
            @Override
            public Result read(RegionAccess access) {
                if (access.offset() != 8) {
                    return Result.PASS_THROUGH;
                }
                access.setValue(0xcafe);
                return Result.DONE;
            }

            @Override
            public Result write(RegionAccess access) {
                if (access.offset() == 8) {
                    return Result.DONE;
                }
                access.setValue(access.value() + 1);
                return Result.PASS_THROUGH;
            }
        }));
        hardware.region(0).putInt(16, 0x1234_5678);

        device.writeInt(0, 8, 1);
        device.writeInt(0, 12, 0xffff_fff0);
        device.writeShort(0, 20, 7);

        assertThat(device.readInt(0, 8)).isEqualTo(0xcafe);
        assertThat(device.readInt(0, 16)).isEqualTo(0x1234_5678);
        assertThat(device.read(0, 17, 3)).containsExactly(0x56, 0x34, 0x12);
        assertThat(hardware.region(0).getInt(8)).isZero();
        assertThat(hardware.region(0).reads()).isEqualTo(2);
        assertThat(hardware.region(0).writes())
                .containsExactly(new FakeRegion.Write(12, 4, 0xffff_fff1L), new FakeRegion.Write(20, 2, 8));
        hardware.region(0).forgetAccesses();
        assertThat(hardware.region(0).writes()).isEmpty();
    }

    @Test
    void widthsAndBlocksArriveAsTheyWere() {
        MediatedDevice device = hardware.mediatedBy(accepting(new Mediation() {}));

        device.writeByte(0, 0, 0x1ff);
        device.writeLong(0, 8, 0x8000_0000_0000_0001L);
        device.write(0, 0x20, new byte[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});

        assertThat(device.readByte(0, 0)).isEqualTo(0xff);
        assertThat(device.readShort(0, 0)).isEqualTo(0xff);
        assertThat(device.readLong(0, 8)).isEqualTo(0x8000_0000_0000_0001L);
        assertThat(device.read(0, 0x28, 2)).containsExactly(9, 10);
        assertThat(hardware.region(0).writes().get(2))
                .isEqualTo(new FakeRegion.Write(0x20, 10, 0x0807_0605_0403_0201L));
    }

    @Test
    void hardwareMayReactToWrites() {
        FakeRegion bar = hardware.region(0);
        bar.onWrite(write -> bar.putInt(4, (int) ~write.value()));
        MediatedDevice device = hardware.mediatedBy(accepting(new Mediation() {}));

        device.writeInt(0, 4, 0x0f);

        assertThat(device.readInt(0, 4)).isEqualTo(0xffff_fff0);
    }

    @Test
    void accessThatCannotBeNeverReachesMediation() {
        hardware.withRegion(new RegionInfo(1, 4096, Set.of(RegionInfo.Flag.READ), List.of(), 0, 0));
        MediatedDevice device = hardware.mediatedBy(accepting(new Mediation() {
            @Override
            public Result read(RegionAccess access) {
                throw new AssertionError("it was reached");
            }

            @Override
            public Result write(RegionAccess access) {
                throw new AssertionError("it was reached");
            }
        }));

        fails(Errno.EINVAL, () -> device.readInt(0, 0xfffd));
        fails(Errno.EINVAL, () -> device.readInt(0, -4));
        fails(Errno.EINVAL, () -> device.readInt(2, 0));
        fails(Errno.EINVAL, () -> device.readInt(9, 0));
        fails(Errno.EACCES, () -> device.writeInt(1, 0, 1));
    }

    @Test
    void refusalOfMediationIsAnswerAndEverythingElseIsItsDefect() {
        fails(
                Errno.EBUSY,
                () -> reading(access -> {
                    throw new VfioException(Errno.EBUSY, "not now");
                }));
        failsTest(
                "read",
                () -> reading(access -> {
                    throw new IllegalStateException("slip");
                }));
        failsTest("read", () -> reading(access -> null));
        failsTest(
                "redirected",
                () -> reading(access -> {
                    access.wrap(0, 0x100, 4, ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN), 0);
                    return Mediation.Result.PASS_THROUGH;
                }));
    }

    @Test
    void driverReachesHardwareAndClientMemoryUntilItsMediationIsClosed() {
        byte[] memory = new byte[16];
        hardware.memory().map(0x10_0000, memory);
        hardware.region(0).putInt(0, 77);
        MediationContext[] lent = new MediationContext[1];
        MediatedDevice device = hardware.mediatedBy(context -> {
            lent[0] = context;
            return Decision.accept(new TestMediation(calls));
        });
        MediationContext context = lent[0];
        RegionAccess access = access(0, 4);

        context.hardware().read(access);
        context.memory().write(0x10_0000, ByteBuffer.wrap(new byte[] {9}));

        assertThat(access.value()).isEqualTo(77);
        assertThat(memory[0]).isEqualTo((byte) 9);
        assertThat(context.device()).isSameAs(hardware);
        fails(Errno.EINVAL, () -> context.hardware().read(access(0xffff, 4)));
        fails(Errno.EINVAL, () -> context.addRegion(new RegionInfo(0, 4096, Set.of(), List.of(), 3, 1)));
        device.close();
        fails(Errno.ENODEV, () -> context.hardware().read(access));
        fails(Errno.ENODEV, () -> context.memory().read(0x10_0000, ByteBuffer.allocate(1)));
        fails(Errno.ENODEV, () -> context.trap(true));
        fails(Errno.ENODEV, () -> device.readInt(0, 0));
    }

    @Test
    void verdictSaysWhatDriverSaidOrGotWrong() {
        assertThat(hardware.ask(context -> Decision.decline("not mine"))).hasToString("declined: not mine");
        assertThat(hardware.ask(context -> null)).hasToString("failed: it returned null instead of a decision");
        assertThat(hardware.ask(context -> {
                    throw new IllegalStateException("slip");
                }))
                .hasToString("failed: slip");
        assertThatExceptionOfType(AssertionError.class)
                .isThrownBy(() -> hardware.mediatedBy(context -> Decision.decline("not mine")))
                .withMessageContaining("declined: not mine");
        assertThat(hardware.ask(accepting(new TestMediation(calls)))).hasToString("accepted");
        assertThat(calls).containsExactly("close");
    }

    @Test
    void layoutThatCannotBeIsRefusedAndMediationClosed() {
        assertThat(offered(SparseArea.direct(0, 0x1000), SparseArea.direct(0, 0x2000)))
                .hasToString("failed: region 0 has areas that overlap or are not in ascending order: "
                        + SparseArea.direct(0, 0x2000));
        assertThat(offered(SparseArea.direct(0x100, 0x1000)).reason()).contains("not made of whole pages");
        assertThat(offered(SparseArea.direct(0x1000, 0)).reason()).contains("not made of whole pages");
        assertThat(offered(SparseArea.direct(0xf000, 0x2000)).reason()).contains("beyond its end");
        assertThat(described(region -> RegionInfo.mappable(region.index(), 2 * region.size() + 1))
                        .reason())
                .contains("has size");
        assertThat(described(region -> region.withIndex(5)).reason()).contains("under the index of region 0");
        assertThat(calls).containsOnly("close").hasSize(6);
        assertThat(offered(SparseArea.direct(0, 0x1000), SparseArea.direct(0x1000, 0x1000)))
                .hasToString("accepted");
    }

    @Test
    void clientMapsWhatMediationOffersAndHardwareAllows() {
        hardware.withRegion(RegionInfo.mappable(0, 0x10000)
                .withAreas(List.of(SparseArea.direct(0x1000, 0x2000), SparseArea.direct(0x8000, 0x1000))));
        MediatedDevice device =
                hardware.mediatedBy(accepting(new TestMediation(calls, SparseArea.disablable(0x2000, 0x7000))));

        assertThat(device.regionInfo(0).areas())
                .containsExactly(SparseArea.disablable(0x2000, 0x1000), SparseArea.disablable(0x8000, 0x1000));
        assertThat(device.mmap(0)).isSameAs(hardware.region(0));
        assertThat(device.mmap(7)).isNull();
    }

    @Test
    void regionsOfMediationAreAnsweredByMediation() {
        MediatedDevice device = hardware.mediatedBy(context -> {
            int added = context.addRegion(new RegionInfo(0, 4096, Set.of(RegionInfo.Flag.READ), List.of(), 3, 1));
            return Decision.accept(new Mediation() {
                @Override
                public Result read(RegionAccess access) {
                    if (access.region() != added || access.offset() != 0) {
                        return Result.PASS_THROUGH;
                    }
                    access.setValue(5);
                    return Result.DONE;
                }
            });
        });

        assertThat(device.regionCount()).isEqualTo(10);
        assertThat(device.readInt(9, 0)).isEqualTo(5);
        fails(Errno.EIO, () -> device.readInt(9, 4));
    }

    @Test
    void trackingAndCountersReachMediation() {
        MediatedDevice device = hardware.mediatedBy(accepting(new Mediation() {
            @Override
            public void track(boolean tracking) {
                calls.add("track " + tracking);
            }

            @Override
            public Map<String, Long> counters() {
                return Map.of("calls", (long) calls.size());
            }
        }));

        device.track(true);

        assertThat(calls).containsExactly("track true");
        assertThat(device.counters()).containsOnly(entry("calls", 1L));
        MediatedDevice other = FakeDevice.of("1234:11e8").mediatedBy(accepting(new TestMediation(calls)));
        fails(Errno.EOPNOTSUPP, () -> other.track(true));
    }

    private Verdict offered(SparseArea... areas) {
        return hardware.ask(accepting(new TestMediation(calls, areas)));
    }

    private Verdict described(Function<RegionInfo, RegionInfo> description) {
        return hardware.ask(accepting(new TestMediation(calls) {
            @Override
            public RegionInfo regionInfo(RegionInfo region) {
                return description.apply(region);
            }
        }));
    }

    private void reading(Function<RegionAccess, Mediation.Result> read) {
        try (MediatedDevice device = hardware.mediatedBy(accepting(new Mediation() {
            @Override
            public Result read(RegionAccess access) {
                return read.apply(access);
            }
        }))) {
            device.readInt(0, 0);
        }
    }

    private static RegionAccess access(long offset, int length) {
        ByteBuffer data = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        return new RegionAccess().wrap(0, offset, length, data, 0);
    }
}
