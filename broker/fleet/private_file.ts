export { writePrivateBytes, writePrivateFile } from '../../shared/private_file.js';
