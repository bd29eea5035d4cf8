package vfio.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** Assertions about failures. */
final class Expect {
    private Expect() {}

    static AbstractThrowableAssert<?, VfioException> failure(Errno errno, ThrowingCallable call) {
        VfioException failure = catchThrowableOfType(VfioException.class, call);
        AbstractThrowableAssert<?, VfioException> result = assertThat(failure).isNotNull();
        assertThat(failure.errno()).as(failure.getMessage()).isEqualTo(errno);
        return result;
    }
}
