# `cpack -G DEB` from a release build.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "Cohort maintainers <maintainers@cohort.invalid>")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "redis-server (>= 5:7)")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
include(CPack)
