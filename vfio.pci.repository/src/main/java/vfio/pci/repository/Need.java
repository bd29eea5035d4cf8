package vfio.pci.repository;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.VersionRange;
import org.osgi.framework.namespace.BundleNamespace;
import org.osgi.framework.namespace.PackageNamespace;
import org.osgi.resource.Namespace;
import org.osgi.resource.Requirement;
import org.osgi.resource.Resource;

/**
 * Something without which a bundle does not resolve, as its manifest says it.
 *
 * @param getNamespace namespace of the capability that is needed
 * @param filter what it must be, an OSGi filter; empty if anything in the namespace will do
 */
record Need(String getNamespace, String filter) implements Requirement {
    /** A clause of {@code Import-Package}: one need for each package it names. */
    static Need ofPackage(String name, Clause clause) throws InvalidBundleException {
        return named(PackageNamespace.PACKAGE_NAMESPACE, name, "version", clause);
    }

    /** A clause of {@code Require-Bundle}. */
    static Need ofBundle(String name, Clause clause) throws InvalidBundleException {
        return named(BundleNamespace.BUNDLE_NAMESPACE, name, "bundle-version", clause);
    }

    /** A clause of {@code Require-Capability}. */
    static Need ofCapability(String namespace, Clause clause) {
        return new Need(namespace, clause.directives().getOrDefault(Namespace.REQUIREMENT_FILTER_DIRECTIVE, ""));
    }

    private static Need named(String namespace, String name, String versionAttribute, Clause clause)
            throws InvalidBundleException {
        String named = "(" + namespace + "=" + name + ")";
        Optional<String> range = clause.attribute(versionAttribute);
        if (range.isEmpty()) {
            return new Need(namespace, named);
        }
        try {
            return new Need(
                    namespace, "(&" + named + VersionRange.valueOf(range.get()).toFilterString(versionAttribute) + ")");
        } catch (IllegalArgumentException e) {
            throw InvalidBundleException.wrongManifest(
                    "it wants " + name + " in version '" + range.get() + "', which is no version");
        }
    }

    @Override
    public Map<String, String> getDirectives() {
        return filter.isEmpty() ? Map.of() : Map.of(Namespace.REQUIREMENT_FILTER_DIRECTIVE, filter);
    }

    @Override
    public Map<String, Object> getAttributes() {
        return Map.of();
    }

    /** Nothing: the bundle is not installed. */
    @Override
    public @Nullable Resource getResource() {
        return null;
    }
}
