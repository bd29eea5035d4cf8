package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.function.LongFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import vfio.linux.internal.MemoryFactory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SharedMemory;

class MappedMemoryTest {
    private static final long GIB = 1L << 30;

    static Stream<Named<LongFunction<MappedMemory>>> kinds() {
        return Stream.of(
                Named.of("sealed", size -> MappedMemory.allocate("test", size)),
                Named.of("unsealed", size -> MappedMemory.map(TestFiles.unsealed(size), 0, size, true)));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void readsAndWritesEveryWidth(LongFunction<MappedMemory> kind) {
        try (MappedMemory memory = kind.apply(8192)) {
            assertThat(memory.size()).isEqualTo(8192);
            assertThat(memory.writable()).isTrue();
            assertThat(memory.getLong(8184)).isZero();
            for (int shift = 0; shift < 8; shift++) {
                long base = 4080L + shift;
                memory.putLong(base, 0xf1f2f3f4f5f6f7f8L);
                assertThat(memory.getLong(base)).isEqualTo(0xf1f2f3f4f5f6f7f8L);
                assertThat(memory.getInt(base)).isEqualTo(0xf5f6f7f8);
                assertThat(memory.getShort(base)).isEqualTo(0xf7f8);
                assertThat(memory.getByte(base + 7)).isEqualTo((byte) 0xf1);
                memory.putInt(base + 4, 0x01020304);
                memory.putShort(base + 2, 0x10506);
                memory.putByte(base, (byte) 8);
                assertThat(memory.getLong(base)).isEqualTo(0x010203040506f708L);
                assertThat(memory.getByte(base - 1)).isZero();
                assertThat(memory.getByte(base + 8)).isZero();
                memory.putLong(base, 0);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void refusesEveryAccessOutside(LongFunction<MappedMemory> kind) {
        try (MappedMemory memory = kind.apply(4096)) {
            ByteBuffer two = ByteBuffer.allocate(2);
            for (long offset : new long[] {4096, -1, Long.MIN_VALUE, Long.MAX_VALUE, GIB, 1L << 32}) {
                Expect.failure(Errno.EFAULT, () -> memory.getByte(offset));
                Expect.failure(Errno.EFAULT, () -> memory.putByte(offset, (byte) 1));
                Expect.failure(Errno.EFAULT, () -> memory.get(offset, two));
                Expect.failure(Errno.EFAULT, () -> memory.put(offset, two));
            }
            Expect.failure(Errno.EFAULT, () -> memory.getShort(4095));
            Expect.failure(Errno.EFAULT, () -> memory.putShort(4095, 1));
            Expect.failure(Errno.EFAULT, () -> memory.getInt(4093));
            Expect.failure(Errno.EFAULT, () -> memory.putInt(4093, 1));
            Expect.failure(Errno.EFAULT, () -> memory.getLong(4089));
            Expect.failure(Errno.EFAULT, () -> memory.putLong(4089, 1));
            Expect.failure(Errno.EFAULT, () -> memory.get(4095, two));
            Expect.failure(Errno.EFAULT, () -> memory.put(0, ByteBuffer.allocate(4097)));
            assertThat(two.position()).isZero();
            assertThat(memory.getLong(4088)).isZero();
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void copiesInBulk(LongFunction<MappedMemory> kind) {
        int size = 200_000;
        try (MappedMemory memory = kind.apply(1 << 20)) {
            for (ByteBuffer buffer :
                    new ByteBuffer[] {ByteBuffer.allocate(size + 10), ByteBuffer.allocateDirect(size + 10)}) {
                for (int index = 0; index < buffer.capacity(); index++) {
                    buffer.put(index, (byte) ((index * 31) >> 3));
                }
                ByteBuffer source = buffer.duplicate().position(3).limit(3 + size);
                memory.put(4093, source);
                assertThat(source.remaining()).isZero();
                assertThat(memory.getByte(4092)).isZero();
                assertThat(memory.getByte(4093 + size)).isZero();

                ByteBuffer copy =
                        ByteBuffer.allocateDirect(size + 20).position(7).limit(7 + size);
                memory.get(4093, copy);
                assertThat(copy.remaining()).isZero();
                assertThat(copy.flip().position(7)).isEqualTo(source.position(3));
                assertThat(copy.get(6)).isZero();
                memory.put(0, ByteBuffer.allocate(1 << 20));
            }
            memory.get(1 << 20, ByteBuffer.allocate(0));
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void failsAfterClose(LongFunction<MappedMemory> kind) {
        MappedMemory memory = kind.apply(4096);
        memory.close();
        memory.close();
        Expect.failure(Errno.EFAULT, () -> memory.getByte(0));
        Expect.failure(Errno.EFAULT, () -> memory.putLong(0, 1));
        Expect.failure(Errno.EFAULT, () -> memory.get(0, ByteBuffer.allocate(1)));
        Expect.failure(Errno.EFAULT, () -> memory.put(0, ByteBuffer.allocate(1)));
        assertThat(memory.descriptor().isClosed()).isTrue();
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void reachesBeyondTwoGibibytes(LongFunction<MappedMemory> kind) {
        try (MappedMemory memory = kind.apply(5 * GIB)) {
            for (long border = GIB; border < 5 * GIB; border += GIB) {
                for (long offset = border - 8; offset <= border; offset++) {
                    memory.putLong(offset, offset * 0x9e3779b97f4a7c15L);
                    assertThat(memory.getLong(offset)).isEqualTo(offset * 0x9e3779b97f4a7c15L);
                }
            }
            memory.putByte(5 * GIB - 1, (byte) 77);
            assertThat(memory.getByte(5 * GIB - 1)).isEqualTo((byte) 77);
            Expect.failure(Errno.EFAULT, () -> memory.getByte(5 * GIB));
            Expect.failure(Errno.EFAULT, () -> memory.getLong(5 * GIB - 7));

            ByteBuffer source = ByteBuffer.allocate(3 << 20).order(ByteOrder.LITTLE_ENDIAN);
            for (int index = 0; index < source.capacity(); index += 4) {
                source.putInt(index, index * 31);
            }
            memory.put(3 * GIB - 1_000_001, source);
            ByteBuffer copy = ByteBuffer.allocate(source.capacity());
            memory.get(3 * GIB - 1_000_001, copy);
            assertThat(copy.flip()).isEqualTo(source.flip());
        }
    }

    @Test
    void allocatedMemoryIsSealed() {
        try (SharedMemory memory = new MemoryFactory().allocate("vfio-test", 8192)) {
            Descriptor file = ((MappedMemory) memory).descriptor();
            assertThat(((MappedMemory) memory).sealed()).isTrue();
            assertThat(((MappedMemory) memory).fileOffset()).isZero();
            assertThat(TestFiles.truncate(file, 0)).isEqualTo(-1);
            assertThat(TestFiles.truncate(file, 1 << 20)).isEqualTo(-1);
            assertThat(TestFiles.seal(file, Linux.F_SEAL_SHRINK)).isEqualTo(-1);
            assertThat(ProcessState.mappings("memfd:vfio-test")).isEqualTo(1);
        }
        assertThat(ProcessState.mappings("memfd:vfio-test")).isZero();
    }

    @Test
    void allocationChecksItsArguments() {
        for (long size : new long[] {0, -4096, 4095, 4097}) {
            Expect.failure(Errno.EINVAL, () -> MappedMemory.allocate("x", size));
        }
        Expect.failure(Errno.EINVAL, () -> MappedMemory.allocate("x".repeat(250), 4096));
        MappedMemory.allocate("x".repeat(249), 4096).close();
    }

    @Test
    void sealedMemoryWithAHoleReadsAsZero() {
        try (MappedMemory memory = MappedMemory.allocate("test", 1 << 20)) {
            memory.putLong(8192, 1);
            assertThat(TestFiles.punchHole(memory.descriptor(), 0, 1 << 20)).isZero();
            assertThat(memory.getLong(8192)).isZero();
            memory.putLong(8192, 2);
            assertThat(memory.getLong(8192)).isEqualTo(2);
        }
    }

    @Test
    void twoMappingsOfAFileSeeEachOther() {
        Descriptor file = TestFiles.unsealed(16_384);
        try (MappedMemory kernel = MappedMemory.map(file.duplicate(), 4096, 8192, true)) {
            assertThat(kernel.sealed()).isFalse();
            assertThat(kernel.fileOffset()).isEqualTo(4096);
            assertThat(TestFiles.seal(file, Linux.F_SEAL_SHRINK)).isZero();
            try (MappedMemory direct = MappedMemory.map(file, 0, 16_384, true)) {
                assertThat(direct.sealed()).isTrue();
                kernel.putInt(0, 0x11223344);
                assertThat(direct.getInt(4096)).isEqualTo(0x11223344);
                direct.putLong(4096 + 8184, 5);
                assertThat(kernel.getLong(8184)).isEqualTo(5);
                Expect.failure(Errno.EFAULT, () -> kernel.getLong(8185));
            }
        }
    }

    @Test
    void mapsUnalignedPartsOfAFile() {
        Descriptor file = TestFiles.unsealed(20_001);
        try (MappedMemory whole = MappedMemory.map(file.duplicate(), 0, 20_001, true)) {
            for (long offset : new long[] {1, 4095, 4097, 8191, 12_288}) {
                long size = 20_001 - offset;
                try (MappedMemory part = MappedMemory.map(file.duplicate(), offset, size, true)) {
                    part.putLong(0, offset);
                    assertThat(whole.getLong(offset)).isEqualTo(offset);
                    whole.putByte(20_000, (byte) offset);
                    assertThat(part.getByte(size - 1)).isEqualTo((byte) offset);
                    whole.putLong(19_993, offset);
                    assertThat(part.getLong(size - 8)).isEqualTo(offset);
                    whole.putInt(19_996, (int) offset);
                    assertThat(part.getInt(size - 5)).isEqualTo((int) offset);
                    assertThat(part.getShort(size - 5)).isEqualTo((int) offset);
                    Expect.failure(Errno.EFAULT, () -> part.getByte(size));
                }
            }
            assertThat(TestFiles.seal(file, Linux.F_SEAL_SHRINK)).isZero();
            try (MappedMemory part = MappedMemory.map(file, 4097, 10_000, false)) {
                whole.putLong(4097, 99);
                assertThat(part.getLong(0)).isEqualTo(99);
            }
        }
    }

    @Test
    void readOnlyMemoryRefusesWrites() {
        Descriptor file = TestFiles.unsealed(4096);
        try (MappedMemory unsealed = MappedMemory.map(file.duplicate(), 0, 4096, false)) {
            refusesWrites(unsealed);
        }
        assertThat(TestFiles.seal(file, Linux.F_SEAL_SHRINK)).isZero();
        try (MappedMemory sealed = MappedMemory.map(file, 0, 4096, false)) {
            refusesWrites(sealed);
        }
    }

    private static void refusesWrites(MappedMemory memory) {
        assertThat(memory.writable()).isFalse();
        Expect.failure(Errno.EACCES, () -> memory.putByte(0, (byte) 1));
        Expect.failure(Errno.EACCES, () -> memory.putShort(0, 1));
        Expect.failure(Errno.EACCES, () -> memory.putInt(0, 1));
        Expect.failure(Errno.EACCES, () -> memory.putLong(0, 1));
        Expect.failure(Errno.EACCES, () -> memory.put(0, ByteBuffer.allocate(1)));
        assertThat(memory.getLong(0)).isZero();
    }

    @Test
    void refusesWhatCannotBeMappedAndLeavesTheDescriptorToTheCaller() {
        try (Descriptor file = TestFiles.unsealed(8192);
                UnixSocket.Pair pair = UnixSocket.pair()) {
            long[][] ranges = {{-1, 4096}, {0, 0}, {0, -1}, {Long.MAX_VALUE, 2}, {4096, Long.MAX_VALUE}, {4096, 4097}};
            for (long[] range : ranges) {
                Expect.failure(Errno.EINVAL, () -> MappedMemory.map(file, range[0], range[1], true));
            }
            Expect.failure(Errno.EINVAL, () -> MappedMemory.map(pair.first().descriptor(), 0, 4096, true));
            assertThat(file.isClosed()).isFalse();
            MappedMemory.map(file.duplicate(), 4096, 4096, true).close();
        }
    }

    @Test
    void refusesToWriteAFileThatIsSealedAgainstIt() {
        int sealWrite = 8;
        try (Descriptor file = TestFiles.unsealed(4096)) {
            assertThat(TestFiles.seal(file, sealWrite)).isZero();
            Expect.failure(Errno.EPERM, () -> MappedMemory.map(file, 0, 4096, true));
            MappedMemory.map(file.duplicate(), 0, 4096, false).close();
        }
    }

    @Test
    void showsItsFactoryAsAService() {
        assertThat(Path.of("target/classes/OSGI-INF/vfio.linux.internal.MemoryFactory.xml"))
                .content()
                .contains("vfio.pci.api.device.SharedMemory$Factory");
    }
}
