export { writePrivateFile } from '../../shared/private_file.js';
