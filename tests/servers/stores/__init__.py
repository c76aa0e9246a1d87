"""Stores that a backup may lie in, beside disks.

hdfs.py  HDFS itself, a name node and a data node, asked by WebHDFS
s3.py    the S3 API as moto's server has it: no disk, and any key is taken
"""
