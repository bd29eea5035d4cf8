package vfio.pci.api.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class ErrnoTest {
    @Test
    void findsEachNumberAgain() {
        assertThat(Arrays.stream(Errno.values())).allMatch(errno -> Errno.of(errno.number()) == errno);
        assertThat(Arrays.stream(Errno.values()).map(Errno::number)).doesNotHaveDuplicates();
    }

    @Test
    void whatIsNotListedIsAnInputOutputError() {
        assertThat(Errno.of(0)).isEqualTo(Errno.EIO);
        assertThat(Errno.of(-22)).isEqualTo(Errno.EIO);
        assertThat(Errno.of(4095)).isEqualTo(Errno.EIO);
    }

    /** As in asm-generic/errno-base.h and errno.h; a peer sees these numbers. */
    @Test
    void hasTheNumbersOfLinux() {
        assertThat(Errno.EPERM.number()).isEqualTo(1);
        assertThat(Errno.EIO.number()).isEqualTo(5);
        assertThat(Errno.EACCES.number()).isEqualTo(13);
        assertThat(Errno.EFAULT.number()).isEqualTo(14);
        assertThat(Errno.EBUSY.number()).isEqualTo(16);
        assertThat(Errno.EEXIST.number()).isEqualTo(17);
        assertThat(Errno.ENODEV.number()).isEqualTo(19);
        assertThat(Errno.EINVAL.number()).isEqualTo(22);
        assertThat(Errno.ENOTTY.number()).isEqualTo(25);
        assertThat(Errno.ENOSPC.number()).isEqualTo(28);
        assertThat(Errno.EDEADLK.number()).isEqualTo(35);
        assertThat(Errno.EOPNOTSUPP.number()).isEqualTo(95);
    }
}
