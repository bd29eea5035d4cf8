package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Errno;

class DescriptorTest {
    @Test
    void closesOnce() {
        long before = ProcessState.openFiles();
        Descriptor descriptor = TestFiles.unsealed(4096);
        assertThat(ProcessState.openFiles()).isEqualTo(before + 1);
        assertThat(descriptor.isClosed()).isFalse();

        descriptor.close();
        assertThat(descriptor.isClosed()).isTrue();
        assertThat(ProcessState.openFiles()).isEqualTo(before);
    }

    @Test
    void aSecondCloseDoesNotTakeAwayTheNumbersNextOwner() {
        boolean reused = false;
        // The kernel gives the lowest free number to the next file, which may be one of the JVM's own.
        for (int round = 0; round < 1000 && !reused; round++) {
            Descriptor descriptor = TestFiles.unsealed(4096);
            descriptor.close();
            try (Descriptor next = TestFiles.unsealed(4096)) {
                reused = next.number() == descriptor.number();
                descriptor.close();
                assertThat(TestFiles.truncate(next, 8192)).isZero();
            }
        }
        assertThat(reused).as("whether a number was given out again").isTrue();
    }

    @Test
    void refusesUseAfterClose() {
        Descriptor descriptor = TestFiles.unsealed(4096);
        descriptor.close();
        Expect.failure(Errno.EBADF, descriptor::duplicate);
        assertThat(descriptor.tryAcquire()).isFalse();
    }

    @Test
    void staysOpenWhileInUse() {
        long before = ProcessState.openFiles();
        Descriptor descriptor = TestFiles.unsealed(4096);
        int first = descriptor.acquire();
        int second = descriptor.acquire();

        descriptor.close();
        Expect.failure(Errno.EBADF, descriptor::acquire);
        assertThat(Libc.ftruncate(first, 8192)).isZero();

        descriptor.release();
        assertThat(Libc.ftruncate(second, 4096)).isZero();
        assertThat(ProcessState.openFiles()).isEqualTo(before + 1);

        descriptor.release();
        assertThat(ProcessState.openFiles()).isEqualTo(before);
    }

    @Test
    void closesOnceWhenManyThreadsUseAndCloseIt() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            for (int round = 0; round < 500; round++) {
                Descriptor descriptor = TestFiles.unsealed(4096);
                CountDownLatch start = new CountDownLatch(1);
                Future<?> user = threads.submit(() -> {
                    start.await();
                    while (descriptor.tryAcquire()) {
                        assertThat(Libc.fcntl(descriptor.number(), Linux.F_GETFL, 0))
                                .isNotNegative();
                        descriptor.release();
                    }
                    return null;
                });
                Future<?> closer = threads.submit(() -> {
                    start.await();
                    descriptor.close();
                    return null;
                });
                start.countDown();
                user.get(10, TimeUnit.SECONDS);
                closer.get(10, TimeUnit.SECONDS);
                assertThat(ProcessState.isMemfd(descriptor.number()))
                        .as("still open")
                        .isFalse();
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void duplicateOutlivesTheOriginal() {
        Descriptor original = TestFiles.unsealed(4096);
        try (Descriptor copy = original.duplicate()) {
            original.close();
            assertThat(TestFiles.truncate(copy, 8192)).isZero();
            assertThat(isInherited(copy)).isFalse();
        }
    }

    @Test
    void doesNotShowItsNumber() {
        try (Descriptor descriptor = TestFiles.unsealed(4096)) {
            assertThat(descriptor.toString()).doesNotContainPattern("\\d");
        }
    }

    static boolean isInherited(Descriptor descriptor) {
        int getDescriptorFlags = 1;
        int closeOnExec = 1;
        int fd = descriptor.acquire();
        try {
            return (Libc.fcntl(fd, getDescriptorFlags, 0) & closeOnExec) == 0;
        } finally {
            descriptor.release();
        }
    }
}
