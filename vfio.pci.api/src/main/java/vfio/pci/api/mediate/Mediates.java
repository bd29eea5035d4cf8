package vfio.pci.api.mediate;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.osgi.annotation.bundle.Attribute;
import org.osgi.annotation.bundle.Capability;

/**
 * Says which devices a bundle can mediate, so that it can be loaded when one of them is opened. Becomes the capability
 * {@value #NAMESPACE} of the bundle that contains the annotated class, usually its {@link MediateOps}.
 *
 * <p>A device matches if every attribute that is given matches. It is no promise: whether a device is accepted is decided
 * by {@link MediateOps#open} alone.
 */
@Capability(namespace = Mediates.NAMESPACE)
@Retention(RetentionPolicy.CLASS)
@Target(ElementType.TYPE)
public @interface Mediates {
    /** The capability's namespace. */
    String NAMESPACE = "vfio.pci.mediate";

    /** Vendor id, four lower-case hexadecimal digits. */
    @Attribute
    String vendor();

    /** Device ids, four lower-case hexadecimal digits each; none means any. */
    @Attribute
    String[] device() default {};

    /** The first digits of the class code, lower-case hexadecimal, for example {@code 03} for displays; empty means any. */
    @Attribute("class")
    String classCode() default "";
}
