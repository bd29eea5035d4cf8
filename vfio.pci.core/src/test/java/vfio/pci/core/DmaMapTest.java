package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static vfio.pci.core.Errors.assertRefused;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientMemory;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class DmaMapTest {
    private final FakeHardware hardware = new FakeHardware();
    private final DmaMap map = new DmaMap(ClientMemory.NONE);

    @Test
    void copiesFromAndToTheMappedMemory() {
        FakeMemory memory = mapped(0x10000, 0x1000);
        map.write(0x10ffc, ByteBuffer.wrap(new byte[] {1, 2, 3, 4}));
        ByteBuffer read = ByteBuffer.allocate(4);
        map.read(0x10ffc, read);

        assertThat(read.remaining()).isZero();
        assertThat(read.array()).containsExactly(1, 2, 3, 4);
        assertThat(memory.getInt(0xffc)).isEqualTo(0x04030201);
    }

    @Test
    void copiesAsMuchAsTheBufferHasLeft() {
        FakeMemory memory = mapped(0, 16);
        ByteBuffer source = ByteBuffer.wrap(new byte[] {9, 1, 2, 9});
        source.position(1).limit(3);
        map.write(4, source);

        assertThat(source.position()).isEqualTo(3);
        assertThat(memory.getInt(3)).isEqualTo(0x00020100);
    }

    @Test
    void movesEightBytesAtOnce() {
        FakeMemory memory = mapped(0x10000, 0x1000);
        map.writeLong(0x10ff8, 0x0102030405060708L);

        assertThat(memory.getLong(0xff8)).isEqualTo(0x0102030405060708L);
        assertThat(map.readLong(0x10ff8)).isEqualTo(0x0102030405060708L);
        assertRefused(Errno.EFAULT, () -> map.readLong(0x10ff9));
        assertRefused(Errno.EFAULT, () -> map.writeLong(0xffff, 1));
    }

    @Test
    void eightBytesNeedPermissionToo() {
        map.map(new DmaMapping(0, 16, true, false, new FakeMemory(16)), hardware);
        map.map(new DmaMapping(16, 16, false, true, new FakeMemory(16)), hardware);

        assertRefused(Errno.EFAULT, () -> map.writeLong(0, 1));
        assertRefused(Errno.EFAULT, () -> map.readLong(16));
    }

    @Test
    void findsTheRightOneOfMany() {
        List<FakeMemory> memories = new ArrayList<>();
        for (int index = 0; index < 100; index++) {
            int shuffled = index * 37 % 100;
            memories.add(mapped(0x1000L * shuffled, 0x800));
        }
        for (int index = 0; index < 100; index++) {
            map.write(0x1000L * (index * 37 % 100), ByteBuffer.wrap(new byte[] {(byte) index}));
        }

        for (int index = 0; index < 100; index++) {
            assertThat(memories.get(index).getByte(0)).isEqualTo((byte) index);
        }
        assertThat(map.list())
                .hasSize(100)
                .isSortedAccordingTo((one, other) -> Long.compareUnsigned(one.iova(), other.iova()));
    }

    @ParameterizedTest(name = "[{0}, +{1}) against [0x1000, +0x1000)")
    @CsvSource({
        "0x1000,0x1000",
        "0x1000,1",
        "0x1fff,1",
        "0x1fff,0x1000",
        "0xfff,2",
        "0,0x1001",
        "0,0x8000000000000000",
        "0x1800,0x100",
    })
    void refusesOverlaps(String iova, String size) {
        mapped(0x1000, 0x1000);
        DmaMapping overlapping = mapping(
                Long.decode(iova), Long.parseUnsignedLong(size.replace("0x", ""), size.contains("x") ? 16 : 10));

        assertRefused(Errno.EEXIST, () -> map.map(overlapping, hardware)).contains("overlaps");
        assertThat(hardware.calls).hasSize(1);
        assertThat(map.list()).hasSize(1);
    }

    @Test
    void neighboursDoNotOverlap() {
        mapped(0x1000, 0x1000);
        mapped(0x2000, 0x1000);
        mapped(0, 0x1000);
        mapped(-0x1000, 0x1000);
        mapped(0x3000, -0x4000);

        assertThat(map.list()).hasSize(5);
        assertThat(map.list().get(4).last()).isEqualTo(-1);
    }

    @ParameterizedTest(name = "[{0}, +{1}) of [0x1000, +0x1000)")
    @CsvSource({
        "0x1000,0xfff",
        "0x1001,0xfff",
        "0xfff,0x1000",
        "0x1001,0x1000",
        "0x1400,0x100",
        "0x1000,0",
        "0,0",
        "0x2000,0x1000",
        "0,0x1000",
        "0x1000,-1",
        "-1,0x3000"
    })
    void cutsNoMapping(String iova, String size) {
        FakeMemory memory = mapped(0x1000, 0x1000);

        assertRefused(Errno.ENOENT, () -> map.unmap(Long.decode(iova), Long.decode(size), hardware));
        assertThat(memory.closed).hasValue(0);
        assertThat(hardware.calls).hasSize(1);
    }

    @Test
    void unmapTellsTheHardwareAndReleasesTheMemory() {
        FakeMemory memory = mapped(0x1000, 0x1000);
        map.unmap(0x1000, 0x1000, hardware);

        assertThat(hardware.calls).containsExactly("map [0x1000, +0x1000)", "unmap [0x1000, +0x1000)");
        assertThat(memory.closed).hasValue(1);
        assertRefused(Errno.EFAULT, () -> map.read(0x1000, ByteBuffer.allocate(1)))
                .contains("not mapped");
        assertRefused(Errno.ENOENT, () -> map.unmap(0x1000, 0x1000, hardware));
    }

    @ParameterizedTest(name = "[{0}, +{1})")
    @CsvSource({"0x1000,0x3000", "0xfff,0x3002", "0,0x4000", "0,0x5000", "1,0x4fff"})
    void unmapsAllThatIsInTheRange(String iova, String size) {
        List<FakeMemory> inside = List.of(mapped(0x3000, 0x1000), mapped(0x1000, 0x800));
        FakeMemory after = mapped(0x5000, 0x1000);
        hardware.calls.clear();

        map.unmap(Long.decode(iova), Long.decode(size), hardware);

        assertThat(hardware.calls).containsExactly("unmap [0x1000, +0x800)", "unmap [0x3000, +0x1000)");
        assertThat(inside).allMatch(memory -> memory.closed.get() == 1);
        assertThat(after.closed).hasValue(0);
        assertThat(map.list()).extracting(DmaMapping::iova).containsExactly(0x5000L);
    }

    @ParameterizedTest(name = "[{0}, +{1})")
    @CsvSource({"0x1000,0x2fff", "0x1001,0x2fff", "0x1800,0x1800", "0,0x3fff"})
    void unmapsNothingIfOneWouldBeCut(String iova, String size) {
        mapped(0x1000, 0x1000);
        mapped(0x3000, 0x1000);

        assertRefused(Errno.ENOENT, () -> map.unmap(Long.decode(iova), Long.decode(size), hardware));
        assertThat(map.list()).hasSize(2);
        assertThat(hardware.calls).hasSize(2);
    }

    @Test
    void unmapsUpToTheLastAddress() {
        mapped(0x1000, 0x1000);
        mapped(-0x2000, 0x1000);
        mapped(-0x1000, 0x1000);

        map.unmap(-0x3000, 0x3000, hardware);

        assertThat(map.list()).extracting(DmaMapping::iova).containsExactly(0x1000L);
    }

    @Test
    void respectsTheDirectionOfEachMapping() {
        map.map(new DmaMapping(0, 16, true, false, new FakeMemory(16)), hardware);
        map.map(new DmaMapping(16, 16, false, true, new FakeMemory(16)), hardware);
        map.map(new DmaMapping(32, 16, false, false, null), hardware);

        map.read(0, ByteBuffer.allocate(4));
        map.write(16, ByteBuffer.allocate(4));
        assertRefused(Errno.EFAULT, () -> map.write(0, ByteBuffer.allocate(4))).contains("not writable");
        assertRefused(Errno.EFAULT, () -> map.read(16, ByteBuffer.allocate(4))).contains("not readable");
        assertRefused(Errno.EFAULT, () -> map.read(32, ByteBuffer.allocate(4))).contains("not readable");
        assertRefused(Errno.EFAULT, () -> map.write(32, ByteBuffer.allocate(4))).contains("not writable");
    }

    @Test
    void refusesWhatIsNotInsideOneMapping() {
        mapped(0x1000, 16);
        mapped(0x1010, 16);
        mapped(-16, 16);

        for (long iova : new long[] {0, 0xfff, 0x1020, 0x100d, 0x101d, -17, -3, Long.MAX_VALUE, Long.MIN_VALUE}) {
            ByteBuffer buffer = ByteBuffer.allocate(4);
            assertRefused(Errno.EFAULT, () -> map.read(iova, buffer)).contains("not mapped");
            assertRefused(Errno.EFAULT, () -> map.write(iova, buffer)).contains("not mapped");
            assertThat(buffer.position()).as("nothing was copied").isZero();
        }
        map.read(-4, ByteBuffer.allocate(4));
        map.read(0x100c, ByteBuffer.allocate(4));
    }

    @Test
    void refusesToCopyNothing() {
        mapped(0x1000, 16);

        assertRefused(Errno.EFAULT, () -> map.read(0x1000, ByteBuffer.allocate(0)));
    }

    @Test
    void keepsNoTraceOfWhatTheHardwareRefuses() {
        FakeHardware refusing = new FakeHardware() {
            @Override
            public void map(DmaMapping mapping) {
                throw new IllegalStateException("no");
            }
        };
        FakeMemory memory = new FakeMemory(16);
        DmaMapping mapping = new DmaMapping(0, 16, true, true, memory);

        assertThatThrownBy(() -> map.map(mapping, refusing)).hasMessage("no");
        assertThat(memory.closed).as("still the caller's").hasValue(0);
        assertThat(map.list()).isEmpty();
        map.map(mapping, hardware);
    }

    @Test
    void releasesEverythingEvenIfTheHardwareFails() {
        FakeHardware failing = new FakeHardware() {
            @Override
            public void unmap(DmaMapping mapping) {
                throw new VfioException(Errno.ENODEV, "gone");
            }
        };
        List<FakeMemory> memories = List.of(mapped(0, 16), mapped(16, 16), mapped(32, 16));

        assertRefused(Errno.ENODEV, () -> map.unmap(16, 16, failing));
        assertThat(memories.get(1).closed).hasValue(1);
        assertRefused(Errno.ENODEV, () -> map.unmap(0, 48, failing));
        assertThat(memories).allMatch(memory -> memory.closed.get() == 1);
        assertThat(map.list()).isEmpty();
    }

    @Test
    void clearsEvenIfTheHardwareFails() {
        FakeHardware failing = new FakeHardware() {
            @Override
            public void unmap(DmaMapping mapping) {
                throw new VfioException(Errno.ENODEV, "gone");
            }
        };
        List<FakeMemory> memories = List.of(mapped(0, 16), mapped(16, 16));

        map.clear(failing);
        assertThat(memories).allMatch(memory -> memory.closed.get() == 1);
        assertThat(map.list()).isEmpty();
    }

    @Test
    void clearRemovesAll() {
        List<FakeMemory> memories = List.of(mapped(0, 16), mapped(-16, 16), mapped(64, 16));
        map.clear(hardware);
        map.clear(hardware);

        assertThat(map.list()).isEmpty();
        assertThat(memories).allMatch(memory -> memory.closed.get() == 1);
        assertThat(hardware.calls).hasSize(6);
    }

    @Test
    void holdsAsManyMappingsAsTheKernelAndNoMore() {
        for (int index = 0; index < DmaMap.MAXIMUM; index++) {
            map.map(mapping(index, 1), hardware);
        }
        assertThat(hardware.calls).hasSize(DmaMap.MAXIMUM);

        assertRefused(Errno.ENOSPC, () -> map.map(mapping(DmaMap.MAXIMUM, 1), hardware))
                .contains("65535");
        assertThat(hardware.calls).hasSize(DmaMap.MAXIMUM);
        map.unmap(4711, 1, hardware);
        map.map(mapping(DmaMap.MAXIMUM, 1), hardware);
        assertThat(map.list()).hasSize(DmaMap.MAXIMUM);
    }

    /** The lock is not reentrant: these calls from inside would wait for ever if it were held. */
    @Test
    void asksTheClientWithoutHoldingTheLock() {
        List<String> asked = new ArrayList<>();
        DmaMap[] holder = new DmaMap[1];
        ClientMemory client = new ClientMemory() {
            @Override
            public void read(long iova, ByteBuffer destination) {
                asked.add("read " + iova + " " + destination.remaining());
                holder[0].unmap(0x1000, 16, hardware);
            }

            @Override
            public void write(long iova, ByteBuffer source) {
                asked.add("write " + iova + " " + source.remaining());
                holder[0].map(mapping(0x2000, 16), hardware);
            }
        };
        holder[0] = new DmaMap(client);
        holder[0].map(mapping(0x1000, 16), hardware);
        try (Threads threads = new Threads()) {
            threads.start("device", () -> {
                holder[0].write(0x1004, ByteBuffer.allocate(8));
                holder[0].read(0x1004, ByteBuffer.allocate(4));
            });
        }

        assertThat(asked).containsExactly("write 4100 8", "read 4100 4");
        assertThat(holder[0].list()).extracting(DmaMapping::iova).containsExactly(0x2000L);
    }

    @Test
    void saysSoIfTheClientCannotBeAsked() {
        map.map(mapping(0, 16), hardware);

        assertRefused(Errno.EFAULT, () -> map.read(0, ByteBuffer.allocate(4))).contains("cannot be asked");
    }

    @Test
    void unmapWaitsForARunningAccess() {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch leave = new CountDownLatch(1);
        FakeMemory memory = mapped(0, 16);
        memory.onCopy = () -> {
            inside.countDown();
            await(leave);
        };
        try (Threads threads = new Threads()) {
            threads.start("device", () -> map.read(0, ByteBuffer.allocate(4)));
            await(inside);
            Threads.Task unmapping = threads.start("client", () -> map.unmap(0, 16, hardware));
            unmapping.awaitBlocked();
            assertThat(memory.closed).as("released under an access").hasValue(0);
            leave.countDown();
        }
        assertThat(memory.closed).hasValue(1);
    }

    @Test
    void lendsMemoryWhereItIs() {
        FakeMemory memory = mapped(0x10000, 0x1000);
        map.map(new DmaMapping(0, 16, true, false, new FakeMemory(16)), hardware);
        map.map(new DmaMapping(16, 16, false, true, new FakeMemory(16)), hardware);
        map.map(mapping(32, 16), hardware);
        DmaSpace.Borrower nobody = (lent, offset) -> {
            throw new AssertionError("lent " + lent);
        };

        assertThat(map.lend(0x10010, 0xff0, true, (lent, offset) -> lent == memory ? (int) offset : -1))
                .isEqualTo(0x10);
        assertThat(map.lend(0, 16, false, (lent, offset) -> 7)).isEqualTo(7);
        assertThat(map.lend(32, 16, false, nobody)).as("only the client has it").isEqualTo(-1);
        assertRefused(Errno.EFAULT, () -> map.lend(0, 16, true, nobody)).contains("not writable");
        assertRefused(Errno.EFAULT, () -> map.lend(16, 16, false, nobody)).contains("not readable");
        assertRefused(Errno.EFAULT, () -> map.lend(0x10010, 0xff1, false, nobody))
                .contains("not mapped");
        assertRefused(Errno.EFAULT, () -> map.lend(0x10010, -1, false, nobody)).contains("not mapped");
    }

    @Test
    void unmapWaitsForABorrower() {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch leave = new CountDownLatch(1);
        FakeMemory memory = mapped(0, 16);
        try (Threads threads = new Threads()) {
            threads.start(
                    "borrower",
                    () -> map.lend(0, 4, true, (lent, offset) -> {
                        inside.countDown();
                        await(leave);
                        return 0;
                    }));
            await(inside);
            Threads.Task unmapping = threads.start("client", () -> map.unmap(0, 16, hardware));
            unmapping.awaitBlocked();
            assertThat(memory.closed).as("released under a borrower").hasValue(0);
            leave.countDown();
        }
        assertThat(memory.closed).hasValue(1);
    }

    @Test
    void accessesAllocateNothing() {
        for (int index = 0; index < 1000; index++) {
            mapped(0x1000L * index, 0x1000);
        }
        ByteBuffer buffer = ByteBuffer.allocate(64);

        assertThat(Allocation.bytes(() -> {
                    buffer.clear();
                    map.read(0x123456, buffer);
                    buffer.clear();
                    map.write(0x54321, buffer);
                }))
                .isZero();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void behavesAsTheNaiveModel(long seed) {
        new DmaModelRun(seed).run(5_000);
    }

    private FakeMemory mapped(long iova, long size) {
        FakeMemory memory = new FakeMemory((int) Math.min(Integer.toUnsignedLong((int) size), 0x1000));
        map.map(new DmaMapping(iova, size, true, true, memory), hardware);
        return memory;
    }

    /** A mapping without memory. */
    private static DmaMapping mapping(long iova, long size) {
        return new DmaMapping(iova, size, true, true, null);
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
