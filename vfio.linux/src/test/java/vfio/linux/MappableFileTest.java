package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.function.IntToLongFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.Errno;

/** Which files are taken for guest memory, and which of them are trusted to stay. */
class MappableFileTest {
    private static final long TMPFS_MAGIC = 0x0102_1994;
    private static final long EXT4_SUPER_MAGIC = 0xef53;

    private final Descriptor file = TestFiles.unsealed(8192);

    @AfterEach
    void close() {
        file.close();
    }

    /** Who provides the pages of such a file may never do so, and with it stop whoever touches them. */
    @ParameterizedTest
    @ValueSource(longs = {0x65735546, 0x6969})
    void filesThatOthersProvideAreRefused(long magic) {
        TestFiles.seal(file, Linux.F_SEAL_SHRINK);

        Expect.failure(Errno.EINVAL, () -> examine(fd -> magic))
                .hasMessageContaining("another process or host")
                .hasMessageContaining("memfd");
    }

    @ParameterizedTest
    @ValueSource(longs = {TMPFS_MAGIC, EXT4_SUPER_MAGIC})
    void localFilesAreTaken(long magic) {
        assertThat(examine(fd -> magic))
                .isEqualTo(new MappableFile(4096, 4096, true, false, false, Libc.getpagesize()));
    }

    @Test
    void sealedFilesStay() {
        TestFiles.seal(file, Linux.F_SEAL_SHRINK);

        assertThat(examine(fd -> TMPFS_MAGIC))
                .returns(true, MappableFile::sealed)
                .returns(true, MappableFile::stable);
    }

    /** A hole can be punched into them all the same. */
    @Test
    void hugePagesAreNotTrustedToStay() {
        TestFiles.seal(file, Linux.F_SEAL_SHRINK);

        assertThat(examine(fd -> Linux.HUGETLBFS_MAGIC))
                .returns(true, MappableFile::sealed)
                .returns(false, MappableFile::stable);
    }

    @Test
    void theKernelTellsTheFileSystem() {
        int fd = file.acquire();
        try {
            TestFiles.seal(file, Linux.F_SEAL_SHRINK);
            assertThat(MappableFile.of(fd, 0, 8192, true).stable()).isTrue();
        } finally {
            file.release();
        }
    }

    private MappableFile examine(IntToLongFunction fileSystems) {
        int fd = file.acquire();
        try {
            return MappableFile.of(fd, 4096, 4096, true, fileSystems);
        } finally {
            file.release();
        }
    }
}
