package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import org.assertj.core.api.AbstractStringAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** Assertions about typed errors. */
final class Errors {
    private Errors() {}

    /** The call fails with this errno; the result is about its sentence. */
    static AbstractStringAssert<?> assertRefused(Errno errno, ThrowingCallable call) {
        VfioException[] caught = new VfioException[1];
        assertThatExceptionOfType(VfioException.class).isThrownBy(call).satisfies(thrown -> caught[0] = thrown);
        assertThat(caught[0].errno()).as(caught[0].getMessage()).isEqualTo(errno);
        return assertThat(caught[0].getMessage());
    }
}
