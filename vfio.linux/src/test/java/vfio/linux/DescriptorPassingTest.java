package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.api.device.Errno;

@Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class DescriptorPassingTest {
    private final long filesBefore = ProcessState.openFiles();
    private final UnixSocket.Pair pair = UnixSocket.pair();
    private final UnixSocket near = pair.first();
    private final UnixSocket far = pair.second();
    private final NativeBuffer buffer = NativeBuffer.allocate(1 << 20);
    private final Descriptor file = TestFiles.unsealed(4096);

    @AfterEach
    void closeAndFindNothingLeft() {
        pair.close();
        file.close();
        buffer.close();
        assertThat(ProcessState.openFiles()).isEqualTo(filesBefore);
    }

    @Test
    void passesDescriptorsInOrder() {
        try (Descriptor other = TestFiles.unsealed(8192);
                ReceivedDescriptors sink = new ReceivedDescriptors(8)) {
            near.send(buffer, 0, 5, List.of(file, other));
            assertThat(far.receive(buffer, 0, 100, sink)).isEqualTo(5);
            assertThat(sink.count()).isEqualTo(2);
            assertThat(sink.overflowed()).isFalse();
            try (Descriptor second = sink.take(1)) {
                assertThat(sizeOf(second)).isEqualTo(8192);
                assertThat(second.number()).isNotEqualTo(other.number());
                assertThat(DescriptorTest.isInherited(second)).isFalse();
            }
            assertThat(file.isClosed()).isFalse();
        }
    }

    @Test
    void keepsTheMaximumAndClosesTheRest() {
        for (int sent : new int[] {4, 5, 253}) {
            try (ReceivedDescriptors sink = new ReceivedDescriptors(3)) {
                near.send(buffer, 0, 1, Collections.nCopies(sent, file));
                long before = ProcessState.openFiles();
                assertThat(far.receive(buffer, 0, 1, sink)).isEqualTo(1);
                assertThat(sink.count()).isEqualTo(3);
                assertThat(sink.overflowed()).isTrue();
                assertThat(ProcessState.openFiles()).isEqualTo(before + 3);
                sink.clear();
                assertThat(ProcessState.openFiles()).isEqualTo(before);
                assertThat(sink.overflowed()).isFalse();
            }
        }
    }

    @Test
    void collectsOverSeveralMessages() {
        try (ReceivedDescriptors sink = new ReceivedDescriptors(3)) {
            near.send(buffer, 0, 4, List.of(file, file));
            near.send(buffer, 0, 4, List.of(file, file));
            assertThat(far.receiveFully(buffer, 0, 8, sink)).isTrue();
            assertThat(sink.count()).isEqualTo(3);
            assertThat(sink.overflowed()).isTrue();
        }
    }

    @Test
    void takesTheMostThatAMessageCanCarry() {
        try (ReceivedDescriptors sink = new ReceivedDescriptors(253)) {
            near.send(buffer, 0, 1, Collections.nCopies(253, file));
            far.receive(buffer, 0, 1, sink);
            assertThat(sink.count()).isEqualTo(253);
            assertThat(sink.overflowed()).isFalse();
        }
        assertThatIllegalArgumentException().isThrownBy(() -> near.send(buffer, 0, 1, Collections.nCopies(254, file)));
        assertThatIllegalArgumentException().isThrownBy(() -> near.send(buffer, 0, 0, List.of(file)));
        assertThatIllegalArgumentException().isThrownBy(() -> new ReceivedDescriptors(254));
    }

    @Test
    void aSinkWithoutRoomLetsNothingIn() {
        try (ReceivedDescriptors sink = new ReceivedDescriptors(0)) {
            near.send(buffer, 0, 1, List.of(file));
            far.receive(buffer, 0, 1, sink);
            assertThat(sink.count()).isZero();
            assertThat(sink.overflowed()).isTrue();
        }
    }

    @Test
    void dataWithoutDescriptorsLeavesTheSinkAlone() {
        try (ReceivedDescriptors sink = new ReceivedDescriptors(2)) {
            near.send(buffer, 0, 1, List.of(file));
            near.send(buffer, 0, 1);
            far.receive(buffer, 0, 1, sink);
            far.receive(buffer, 0, 1, sink);
            assertThat(sink.count()).isEqualTo(1);
            assertThat(sink.overflowed()).isFalse();
        }
    }

    @Test
    void descriptorsNobodyAskedForAreClosed() {
        long before = ProcessState.openFiles();
        near.send(buffer, 0, 1, List.of(file, file));
        assertThat(far.receive(buffer, 0, 1)).isEqualTo(1);
        assertThat(ProcessState.openFiles()).isEqualTo(before);
    }

    @Test
    void sendsNothingIfADescriptorIsClosed() {
        Descriptor closed = file.duplicate();
        closed.close();
        Expect.failure(Errno.EBADF, () -> near.send(buffer, 0, 1, List.of(file, closed)));
        near.shutdown();
        assertThat(far.receive(buffer, 0, 1)).isZero();
        // What was acquired for the attempt has been released, or this close would never happen.
        file.close();
        assertThat(ProcessState.isMemfd(file.number())).isFalse();
    }

    @Test
    void sendsThemOnceWithDataThatGoesInPieces() throws Exception {
        CompletableFuture<Void> sent =
                CompletableFuture.runAsync(() -> near.send(buffer, 0, buffer.capacity(), List.of(file)));
        try (NativeBuffer in = NativeBuffer.allocate(buffer.capacity());
                ReceivedDescriptors sink = new ReceivedDescriptors(16)) {
            assertThat(far.receiveFully(in, 0, in.capacity(), sink)).isTrue();
            sent.get(10, TimeUnit.SECONDS);
            assertThat(sink.count()).isEqualTo(1);
        }
    }

    @Test
    void handsOverWhatItHas() {
        ReceivedDescriptors sink = new ReceivedDescriptors(4);
        near.send(buffer, 0, 1, List.of(file, file, file));
        far.receive(buffer, 0, 1, sink);
        sink.take(0).close();
        assertThatIllegalStateException().isThrownBy(() -> sink.take(0));
        assertThatThrownBy(() -> sink.take(3)).isInstanceOf(IndexOutOfBoundsException.class);

        List<Descriptor> rest = sink.takeAll();
        assertThat(rest).hasSize(2).noneMatch(Descriptor::isClosed);
        assertThat(sink.count()).isZero();
        sink.close();
        assertThat(rest).noneMatch(Descriptor::isClosed);
        rest.forEach(Descriptor::close);
    }

    @Test
    void reportsDescriptorsThatTheProcessMayNotOpen() throws Exception {
        ChildJvm child = ChildJvm.run(FullDescriptorTable.class, List.of());
        assertThat(child.exitCode()).as(child.output()).isZero();
    }

    private static long sizeOf(Descriptor descriptor) {
        int fd = descriptor.acquire();
        try {
            return FileStatus.of(fd).size();
        } finally {
            descriptor.release();
        }
    }

    /** Receives more descriptors than the limit of open files lets in. */
    static final class FullDescriptorTable {
        private FullDescriptorTable() {}

        public static void main(String[] arguments) {
            try (UnixSocket.Pair pair = UnixSocket.pair();
                    NativeBuffer buffer = NativeBuffer.allocate(16);
                    Descriptor file = TestFiles.unsealed(4096);
                    ReceivedDescriptors sink = new ReceivedDescriptors(100)) {
                pair.first().send(buffer, 0, 1, Collections.nCopies(100, file));
                // All numbers up to the last one in use are taken, as far as it matters here.
                TestFiles.limitOpenFiles(file.number() + 5L);
                int count = pair.second().receive(buffer, 0, 1, sink);
                TestFiles.limitOpenFiles(1024);
                assertThat(count).isEqualTo(1);
                assertThat(sink.count()).isLessThan(100);
                assertThat(sink.overflowed()).isTrue();
            }
        }
    }
}
