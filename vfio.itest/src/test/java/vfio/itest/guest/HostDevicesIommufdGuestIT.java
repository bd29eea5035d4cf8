package vfio.itest.guest;

import org.junit.jupiter.api.extension.ExtendWith;

/** A kernel that has iommufd; it is compiled on request, see {@code guest/README.md}. */
@ExtendWith(GuestEnvironment.IommufdCondition.class)
class HostDevicesIommufdGuestIT extends HostDevicesGuest {
    HostDevicesIommufdGuestIT() {
        super(GuestEnvironment.IOMMUFD, "iommufd");
    }
}
